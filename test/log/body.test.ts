// What is stored of an event: bytes that an auditor can hash and a MAC can be checked over, and columns that repeat them.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createKey } from '#commands/create-key.ts'
import { knownShardOf } from '#domain/ids.ts'
import { encodeBody } from '#log/body.ts'
import { checkMac } from '#secret/mac.ts'
import { createTestDatabase, type TestDatabase } from '#test/support/database.ts'
import { type TestServices, testKeyring, testServices } from '#test/support/services.ts'
import { runEveryMutation } from '../contract/every-mutation.ts'

type Stored = {
  readonly shard: number
  readonly account_id: string
  readonly event_id: string
  readonly stream_id: string
  readonly stream_kind: string
  readonly version: number
  readonly type: string
  readonly schema_version: number
  readonly actor_kind: string
  readonly actor_id: string | null
  readonly credential_key_id: string | null
  readonly credential_code_id: string | null
  readonly correlation_id: string
  readonly decided_at: string
  readonly body: Buffer
  readonly data: unknown
  readonly data_text: string
  readonly body_data_text: string
  readonly mac: Buffer
  readonly mac_secret_id: string
}

let database: TestDatabase
let at: TestServices
let events: readonly Stored[]
beforeAll(async () => {
  database = await createTestDatabase()
  at = testServices(database.serving, { keyring: testKeyring('k2', 'k1') })
  await runEveryMutation(at)
  events = await readEvents()
})
afterAll(() => database.drop())

async function readEvents(): Promise<readonly Stored[]> {
  const { rows } = await database.owner.pool.query<Stored>(
    `SELECT *, data::text AS data_text, (convert_from(body, 'UTF8')::jsonb -> 'data')::text AS body_data_text
       FROM log.event ORDER BY shard, shard_position`,
  )
  return rows
}

const credentialOf = ({ credential_key_id: keyId, credential_code_id: codeId }: Stored) =>
  keyId === null && codeId === null ? null : { keyId, codeId }

const bodyOf = (event: Stored) => JSON.parse(event.body.toString('utf8')) as Record<string, unknown>

/** RFC 8785 written a second time, after the text of the standard: members by UTF-16 code units, no space. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${canonical(member)}`).join(',')}}`
}

describe('the body of every event', () => {
  test('is RFC 8785 to the byte', () => {
    expect(events.length).toBeGreaterThan(50)
    for (const event of events) expect(event.body.toString('utf8')).toBe(canonical(bodyOf(event)))
  })

  test('holds everything that is promised to auditors, and nothing else', () => {
    for (const event of events) {
      const body = bodyOf(event)
      expect(Object.keys(body)).toEqual([
        'accountId',
        'actor',
        'correlationId',
        'credential',
        'data',
        'decidedAt',
        'eventId',
        'personal',
        'salt',
        'schemaVersion',
        'streamId',
        'streamKind',
        'type',
        'version',
      ])
      expect(Object.keys(body.actor as object)).toEqual(['id', 'kind'])
      expect(body.credential === null).toBe(event.actor_kind !== 'KEY')
      if (body.credential !== null) expect(Object.keys(body.credential as object)).toEqual(['codeId', 'keyId'])
      const isPersonal = event.type === 'user.added' || event.type === 'user.updated'
      const hashes = Object.entries(body.personal as object)
      if (!isPersonal) expect(hashes).toEqual([])
      for (const [name, hash] of hashes) {
        expect(['externalId', 'displayName']).toContain(name)
        expect(hash).toMatch(/^[0-9a-f]{64}$/)
      }
    }
  })

  test('has a salt of its own, of 128 bits', () => {
    const salts = events.map((event) => bodyOf(event).salt)
    expect(new Set(salts).size).toBe(events.length)
    for (const salt of salts) expect(salt).toMatch(/^[A-Za-z0-9_-]{22}$/)
  })

  test('is repeated by the columns', () => {
    for (const event of events) {
      const body = bodyOf(event)
      expect({
        accountId: event.account_id,
        actor: { kind: event.actor_kind, id: event.actor_id },
        credential: credentialOf(event),
        correlationId: event.correlation_id,
        data: event.data,
        decidedAt: event.decided_at,
        eventId: event.event_id,
        personal: body.personal,
        salt: body.salt,
        schemaVersion: event.schema_version,
        streamId: event.stream_id,
        streamKind: event.stream_kind,
        type: event.type,
        version: event.version,
      }).toEqual(body)
      expect(event.shard).toBe(knownShardOf(event.account_id))
      expect(event.shard).toBe(knownShardOf(event.event_id))
      expect(event.data_text).toBe(event.body_data_text)
    }
  })

  test('has a MAC that is right for it and for no other bytes', () => {
    for (const { body, mac, mac_secret_id } of events) {
      expect(mac_secret_id).toBe('k2')
      expect(checkMac(at.keyring, 'k2', body, mac)).toBe(true)
      expect(checkMac(at.keyring, 'k1', body, mac)).toBe(false)
      expect(checkMac(testKeyring('k1'), 'k2', body, mac)).toBe(false)
    }
    const [{ body, mac } = { body: Buffer.alloc(0), mac: Buffer.alloc(0) }] = events
    for (let offset = 0; offset < body.length; offset++) {
      const flipped = Buffer.from(body)
      flipped.writeUInt8(flipped.readUInt8(offset) ^ (1 << (offset % 8)), offset)
      expect(checkMac(at.keyring, 'k2', flipped, mac), `byte ${offset}`).toBe(false)
    }
    for (let bit = 0; bit < mac.length * 8; bit++) {
      const flipped = Buffer.from(mac)
      flipped.writeUInt8(flipped.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3)
      expect(checkMac(at.keyring, 'k2', body, flipped), `bit ${bit}`).toBe(false)
    }
  })

  test('fits, however much a client puts into a key', async () => {
    const { accountId } = await at.createAccount()
    const keyspaceId = await at.createKeyspace(accountId)
    const wide = (length: number) => '\u20ac'.repeat(length)
    const largest = {
      keyspaceId,
      name: wide(200),
      enabled: true,
      description: wide(2_000),
      tags: Array.from({ length: 50 }, (_, index) => wide(98) + String(index).padStart(2, '0')),
      // Characters of one byte that JSON writes with two.
      metadata: '"'.repeat(8_191),
      permissions: Array.from({ length: 100 }, (_, index) => 'p'.repeat(125) + String(index).padStart(3, '0')),
      expiresAt: '9999-12-31T23:59:59.999Z',
    }
    const { result } = await at.done(createKey, largest, { ...at.root, correlationId: 'x'.repeat(200) })
    const { rows } = await database.owner.pool.query<{ bytes: number }>(
      'SELECT octet_length(body) AS bytes FROM log.event WHERE stream_id = $1 AND version = 1',
      [result.keyId],
    )
    expect(rows[0]!.bytes).toBeGreaterThan(50_000)
  })
})

describe('RFC 8785', () => {
  // The examples of its sections 3.2.2 and 3.2.3.
  test('is followed for numbers, text and the order of members', () => {
    const body = {
      numbers: [Number('333333333.33333329'), 1e30, 4.5, 2e-3, 0.000000000000000000000000001, -0],
      string: '\u20ac$\u000F\u000aA\'\u0042\u0022\u005c\\"/',
      literals: [null, true, false],
    }
    expect(encodeBody(body as never).toString('utf8')).toBe(
      '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27,0],' +
        '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
    )
    const members = { '\u20ac': 1, '\r': 2, '\ufb33': 3, '1': 4, '\ud83d\ude00': 5, '\u0080': 6, '\u00f6': 7 }
    expect(Object.values(JSON.parse(encodeBody(members as never).toString('utf8')))).toHaveLength(7)
    expect(encodeBody(members as never).toString('utf8')).toBe(
      '{"\\r":2,"1":4,"\u0080":6,"ö":7,"€":1,"😀":5,"\ufb33":3}',
    )
  })

  test('has no way to write what is no JSON', () => {
    expect(() => encodeBody({ data: Number.NaN } as never)).toThrow()
    expect(() => encodeBody({ data: '\ud800' } as never)).toThrow()
  })
})
