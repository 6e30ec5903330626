// The golden samples of schema/events: one whole event body for each type and version that was ever written, by hand. Once a
// version is released its samples are frozen, as the events of its users are: a changed shape gets a new version, an upcast
// and a new sample. Together they are the lives of one of each kind of stream.
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { kindOf } from '#domain/ids.ts'
import { isPermission } from '#domain/permission.ts'
import { type EventBody, encodeBody } from '#log/body.ts'
import { foldStreams, type StoredEvent } from '#log/load.ts'
import { eventSchemas, upcast } from '#log/upcast.ts'
import { createTestDatabase, type TestDatabase } from '#test/support/database.ts'
import { testServices } from '#test/support/services.ts'
import { runEveryMutation } from './every-mutation.ts'

/** Types whose data holds only what changed; of rules, only those that did. */
const PARTIAL = new Set(['key.updated', 'keyspace.updated', 'policy.updated', 'user.updated'])

const FOLDER = join(import.meta.dirname, '../../schema/events')

const types = Object.keys(eventSchemas).sort() as (keyof typeof eventSchemas)[]
const versions = types.flatMap((type) =>
  Array.from({ length: eventSchemas[type].version }, (_, index) => ({ type, version: index + 1 })),
)
const fileOf = ({ type, version }: { type: string; version: number }) => `${type}.v${version}.json`

const files = (await readdir(FOLDER)).sort()
const samples = new Map(
  await Promise.all(
    files.map(async (file) => [file, JSON.parse(await readFile(join(FOLDER, file), 'utf8')) as EventBody] as const),
  ),
)

function sampleOf(type: string, version: number): EventBody {
  const sample = samples.get(fileOf({ type, version }))
  if (sample === undefined) throw new Error(`There is no sample ${fileOf({ type, version })}`)
  return sample
}

function storedAs(body: EventBody): StoredEvent {
  return {
    stream_id: body.streamId,
    stream_kind: body.streamKind,
    account_id: body.accountId,
    version: body.version,
    type: body.type,
    schema_version: body.schemaVersion,
    actor_kind: body.actor.kind,
    actor_id: body.actor.id,
    decided_at: body.decidedAt,
    data: body.data,
  }
}

/** All samples as streams: `changed` as it was written then, every other one as it is written today. */
function lives(changed?: { readonly type: string; readonly version: number }) {
  const bodies = types.map((type) =>
    sampleOf(type, type === changed?.type ? changed.version : eventSchemas[type].version),
  )
  return foldStreams(bodies.toSorted((a, b) => a.version - b.version).map(storedAs))
}

describe('schema/events', () => {
  test('holds a sample of every type in every version, and nothing else', () => {
    expect(files).toEqual(versions.map(fileOf).sort())
  })

  test.each(versions)('$type version $version is a whole body as the log writes it', async ({ type, version }) => {
    const sample = sampleOf(type, version)
    expect(sample).toMatchObject({ type, schemaVersion: version })
    expect(Object.keys(sample)).toEqual([
      'eventId',
      'accountId',
      'streamId',
      'streamKind',
      'version',
      'type',
      'schemaVersion',
      'actor',
      'credential',
      'correlationId',
      'decidedAt',
      'data',
      'salt',
      'personal',
    ])
    expect(kindOf(sample.eventId)).toBe('evt')
    expect(kindOf(sample.accountId)).toBe('acct')
    expect(kindOf(sample.streamId)).toBe(
      { account: 'acct', keyspace: 'ks', key: 'key', link: 'lnk', policy: 'pol', user: 'usr' }[sample.streamKind],
    )
    expect(sample.decidedAt).toBe(new Date(sample.decidedAt).toISOString())
    expect(sample.salt).toMatch(/^[A-Za-z0-9_-]{22}$/)
    expect(JSON.parse(encodeBody(sample).toString('utf8'))).toEqual(sample)
    const text = await readFile(join(FOLDER, fileOf({ type, version })), 'utf8')
    expect(text).toBe(`${JSON.stringify(sample, null, 2)}\n`)
  })

  test.each(versions)('$type version $version is understood today', ({ type, version }) => {
    const { data } = sampleOf(type, version)
    const today = upcast(type, version, data)
    expect(today.type).toBe(type)
    expect(differences(today.data, sampleOf(type, eventSchemas[type].version).data, PARTIAL.has(type))).toEqual([])
    expect([...lives({ type, version }).values()]).toEqual([...lives().values()])
  })

  test('is folded into the states that its life comes to', () => {
    const states = Object.fromEntries(
      [...lives().values()].map(({ kind, version, state }) => [kind, { version, state }]),
    )
    expect(states).toMatchObject({
      account: { version: 2, state: { status: 'active', name: 'Acme Ltd', createdAt: '2026-03-01T09:30:00.000Z' } },
      keyspace: {
        version: 3,
        state: {
          status: 'deleted',
          name: 'Advertising API',
          management: false,
          rules: { prefix: 'ads', activeKeysMax: 20, codeDeletion: 'WHEN_DISABLED' },
          deletedAt: '2026-05-01T12:00:00.000Z',
        },
      },
      link: {
        version: 3,
        state: {
          status: 'unlinked',
          keyId: 'key_0AzP5nHdK7yWqE2uXfT8Rv',
          keyspaceId: 'ks_07cR8vZsM2qJhP6nLiO4Td',
          policyIds: ['pol_07uJ4mWbS6xHvA9dQeG1Kp', 'pol_07vK2nXcT5yJwB8eRfH0Lq'],
          linkedAt: '2026-03-04T09:00:00.000Z',
          unlinkedAt: '2026-04-05T09:00:00.000Z',
        },
      },
      user: {
        version: 4,
        state: {
          status: 'removed',
          role: 'ADMINISTRATOR',
          permissions: ['ads.*'],
          createdAt: '2026-03-03T10:00:00.000Z',
          removedAt: '2026-06-01T10:00:00.000Z',
          erasedAt: '2026-07-01T10:00:00.000Z',
        },
      },
      key: {
        version: 14,
        state: {
          status: 'deleted',
          name: 'invoices',
          permissions: ['ads.read'],
          frozenPolicies: [{ policyId: 'pol_07vK2nXcT5yJwB8eRfH0Lq' }, { policyId: 'pol_07uJ4mWbS6xHvA9dQeG1Kp' }],
          enabled: true,
          revocation: { reason: 'KEY_COMPROMISE', at: '2026-04-01T09:00:00.000Z' },
          deletedAt: '2026-04-02T09:00:00.000Z',
          codes: [
            {
              codeId: 'code_07tB3mYhC6xDlA0pWqF8Ks',
              description: 'build server',
              replacedById: 'code_07gN4sIeR2jVuZ7oKyH1Mx',
              overlapEndsAt: '2026-03-09T18:00:00.000Z',
              deletedAt: '2026-03-09T18:00:00.000Z',
            },
            { codeId: 'code_07gN4sIeR2jVuZ7oKyH1Mx', replacedAt: null, enabled: true },
          ],
          rotations: [{ rotationId: 'rot_07dL9fTaP3cWkE6vBnQ5Jz', rotatedAt: '2026-03-09T09:00:00.000Z' }],
        },
      },
    })
    const key = sampleOf('key.created', 1).data as { permissions: string[] }
    for (const permission of key.permissions) expect(isPermission(permission, { wildcard: true })).toBe(true)
  })
})

describe('what is written today', () => {
  let database: TestDatabase
  beforeAll(async () => {
    database = await createTestDatabase()
    await runEveryMutation(testServices(database.serving))
  })
  afterAll(() => database.drop())

  test.each(types)('%s has the members and kinds of its newest sample', async (type) => {
    const { rows } = await database.owner.pool.query<{ schema_version: number; data: object }>(
      'SELECT schema_version, data FROM log.event WHERE type = $1',
      [type],
    )
    expect(rows).not.toEqual([])
    const { version } = eventSchemas[type]
    for (const { schema_version, data } of rows) {
      expect(schema_version).toBe(version)
      expect(differences(data, sampleOf(type, version).data, PARTIAL.has(type))).toEqual([])
    }
  })
})

/** Members that are only on one side or of another kind, into objects whose members are ours; `metadata` is the client's. */
function differences(written: object, sample: object, partial: boolean, path = ''): readonly string[] {
  const sampled = new Map<string, unknown>(Object.entries(sample))
  const missing = partial ? [] : [...sampled.keys()].filter((name) => !Object.hasOwn(written, name))
  const wrong = Object.entries(written).flatMap(([name, value]) => {
    const wanted = sampled.get(name)
    if (!sampled.has(name)) return [`${path}${name} is not in the sample`]
    if (name === 'metadata' || value === null || wanted === null) return []
    if (typeof value !== typeof wanted || Array.isArray(value) !== Array.isArray(wanted))
      return [`${path}${name} is of another kind`]
    if (typeof value !== 'object' || Array.isArray(value)) return []
    return differences(value, wanted as object, partial && name === 'rules', `${path}${name}.`)
  })
  return [...missing.map((name) => `${path}${name} is missing`), ...wrong]
}
