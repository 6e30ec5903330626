// What must hold against whoever can reach the API: without credentials, with somebody else's, with operations that are too
// large. Every query, mutation and subscription of the schema, over HTTP, as an attacker meets it.
import { crc32 } from 'node:zlib'
import { getNamedType } from 'graphql'
import { afterAll, describe, expect, test } from 'vitest'
import { toBase62 } from '#domain/base62.ts'
import { DAY_MS, plusMs } from '#domain/instant.ts'
import { newId } from '#secret/ids.ts'
import { CreateKeyDocument, RevokeKeyDocument, VerifyKeysDocument } from '#test/generated/operations.ts'
import { startTestApp } from '#test/support/app.ts'
import {
  idKindAt,
  isId,
  type RootField,
  requiredVariables,
  rootFieldsOf,
  type Slot,
  slotsOf,
  withValue,
} from '#test/support/root-fields.ts'
import { executeRoot } from '#test/support/subscribe.ts'

const app = await startTestApp()
afterAll(() => app.close())

const lent = await app.createForeignKey()

/** One account with one of everything that has an id. */
async function makeTenant(name: string) {
  const { accountId, managementKeyspaceId } = await app.createAccount(name)
  const keyspaceId = await app.createKeyspace(accountId)
  const key = await app.createKey(keyspaceId)
  await app.ask('mutation ($input: RotateKeyInput!) { rotateKey(input: $input) { __typename } }', {
    input: { keyId: key.keyId, overlapSeconds: 60 },
  })
  const { rows } = await app.database.owner.pool.query<{ event_id: string; rotation_id: string }>(
    `SELECT event_id, rotation_id FROM log.event JOIN state.rotation ON key_id = stream_id
      WHERE stream_id = $1 ORDER BY version LIMIT 1`,
    [key.keyId],
  )
  const [{ event_id, rotation_id } = { event_id: '', rotation_id: '' }] = rows
  const credential = await app.createCredential(accountId, ['*'])
  const policyId = await app.createPolicy(accountId)
  const ids = {
    acct: accountId,
    ks: keyspaceId,
    key: key.keyId,
    code: key.codeId,
    rot: rotation_id,
    pol: policyId,
    lnk: await app.linkKey(accountId, lent.keyId),
    usr: await app.addUser(accountId),
    evt: event_id,
  }
  return { ids, managementKeyspaceId, secret: key.secret, credential }
}

const rootFields = await rootFieldsOf(app)
const ours = await makeTenant('Ours')
const theirs = await makeTenant('Theirs')
type Kind = keyof typeof ours.ids

async function eventCount(): Promise<unknown> {
  return (await app.database.owner.pool.query('SELECT sum(head) FROM log.feed_shard')).rows[0]
}

const named = (fields: readonly RootField[]) => fields.map((field) => [`${field.kind} ${field.name}`, field] as const)

function kindsAt(field: RootField, slot: Slot): readonly Kind[] {
  return field.name === 'node' ? (Object.keys(ours.ids) as Kind[]) : [idKindAt(field, slot)]
}

/** Whatever is required: ids of ours, our secret, and any text. */
function variablesFor(field: RootField, place: readonly string[] = []) {
  // It takes either, and so requires neither.
  const isWanted = (path: readonly string[]) =>
    field.name === 'explainVerification' && path.at(-1) === 'key' && place.at(-1) !== 'codeId'
  return requiredVariables(field, {
    isWanted,
    valueFor(slot) {
      if (isId(slot)) return ours.ids[kindsAt(field, slot)[0]!]
      if (getNamedType(slot.type).name === 'DateTime') return app.clock.now()
      if (getNamedType(slot.type).name === 'Position') return '1'
      return slot.path.at(-1) === 'key' ? ours.secret : 'text'
    },
  })
}

describe('without credentials', () => {
  const unknown = `keyledger_${'a'.repeat(10)}_${'b'.repeat(32)}`
  test.each([
    ['nothing', async () => null],
    ['something else', async () => 'secret'],
    ['a well-formed secret that was never issued', async () => unknown + toBase62(crc32(unknown), 6)],
    ['a key that is none of this API', async () => ours.secret],
    ['a credential of another keyspace than it says', async () => ours.secret.replace(/^key_/, 'keyledger_')],
    ['one that is revoked', () => ended('revokeKey')],
    ['one that is switched off', () => ended('disableKey')],
    ['one that is deleted', () => ended('deleteKey')],
    ['one that was rotated', () => ended('rotateKey')],
    ['one that has expired', expired],
  ])('every query, mutation and subscription turns away %s, and nothing is appended', async (_what, credentialOf) => {
    const credential = await credentialOf()
    const before = await eventCount()
    for (const field of rootFields) {
      const { data, errors } = await executeRoot<Record<string, unknown>>(app, field, variablesFor(field), {
        credential,
      })
      expect(data?.[field.name] ?? null, field.name).toBeNull()
      expect(errors.map(({ path, extensions }) => [path, extensions?.code])).toEqual([
        [[field.name], 'UNAUTHENTICATED'],
      ])
    }
    expect(await eventCount()).toEqual(before)
  })

  async function ended(mutation: string): Promise<string> {
    const { keyId, secret } = await app.createKey(ours.managementKeyspaceId, { permissions: ['*'] })
    const type = `${mutation.charAt(0).toUpperCase()}${mutation.slice(1)}Input!`
    await app.ask(`mutation ($input: ${type}) { ${mutation}(input: $input) { __typename } }`, { input: { keyId } })
    return secret
  }

  async function expired(): Promise<string> {
    const expiresAt = plusMs(app.clock.now(), DAY_MS)
    const { secret } = await app.createKey(ours.managementKeyspaceId, { permissions: ['*'], expiresAt })
    app.clock.advance(DAY_MS)
    return secret
  }
})

describe('with the credentials of another account', () => {
  // Who is removed and what is unlinked is not found any more, also not by us.
  const ends = ({ name }: RootField) => Number(['removeUser', 'eraseUser', 'unlinkKey'].includes(name))
  const removesLast = (a: RootField, b: RootField) => ends(a) - ends(b)
  const withIds = rootFields.filter(({ args }) => args.flatMap(slotsOf).some(isId)).toSorted(removesLast)

  test.each(named(withIds))('%s answers as if it did not exist', async (_name, field) => {
    const places = field.args
      .flatMap(slotsOf)
      .filter(isId)
      // To know the id of a key is the right to link it: see test/commands/links.test.ts.
      .filter(({ path }) => field.name !== 'linkKey' || path.at(-1) !== 'keyId')
      .flatMap((slot) => kindsAt(field, slot).map((kind) => ({ path: slot.path, kind })))
    const answerTo = async ({ path }: { path: readonly string[] }, id: string) => {
      const variables = withValue(variablesFor(field, path), path, id)
      const { data, errors, status } = await executeRoot(app, field, variables, { credential: ours.credential })
      return JSON.parse(JSON.stringify({ data, errors, status }).replaceAll(id, 'the id'))
    }
    const before = await eventCount()
    for (const place of places)
      expect(await answerTo(place, theirs.ids[place.kind]), place.path.join('.')).toEqual(
        await answerTo(place, newId(place.kind, 0)),
      )
    expect(await eventCount()).toEqual(before)
    // Or the test would be content with an API that finds nothing at all.
    for (const place of places)
      expect(await answerTo(place, ours.ids[place.kind])).not.toEqual(await answerTo(place, newId(place.kind, 0)))
  })

  test.each([
    ['keys', 'keyspaceId', 'ks'],
    ['keys', 'policyId', 'pol'],
    ['keys', 'ownerId', 'usr'],
    ['events', 'subjectId', 'key'],
    ['events', 'actorId', 'key'],
  ] as const)('a filter of %s by their %s finds nothing', async (list, member, kind) => {
    const document = `query ($id: ID!, $filter: ${list === 'keys' ? 'KeyFilter' : 'EventFilter'}) {
      account(id: $id) { ${list}(filter: $filter) { totalCount nodes { id } } } }`
    const variables = { id: ours.ids.acct, filter: { [member]: theirs.ids[kind] } }
    expect(await app.ask(document, variables, { credential: ours.credential })).toEqual({
      account: { [list]: { totalCount: 0, nodes: [] } },
    })
  })

  test('only the own account is listed, and there is no other viewer', async () => {
    const document = '{ accounts { nodes { id } } viewer { account { id } } }'
    expect(await app.ask(document, {}, { credential: ours.credential })).toEqual({
      accounts: { nodes: [{ id: ours.ids.acct }] },
      viewer: { account: { id: ours.ids.acct } },
    })
  })
})

describe('an operation that is too large', () => {
  const verify = 'verifyKey(input: { key: "k" }) { valid }'
  const aliases = (count: number, field: string) => Array.from({ length: count }, (_, i) => `a${i}: ${field}`).join(' ')
  const nested = (levels: number): string =>
    levels === 0 ? 'id' : `keyspaces(first: 1) { nodes { account { ${nested(levels - 1)} } } }`
  test.each([
    ['by aliases', `{ ${aliases(101, verify)} }`],
    ['by mutations', `mutation { ${aliases(101, 'revokeKey(input: { keyId: "k" }) { __typename }')} }`],
    ['by a batch', `{ ${aliases(2, `verifyKeys(inputs: [${'{ key: "k" } '.repeat(51)}]) { valid }`)} }`],
    ['by depth', `{ account(id: "${ours.ids.acct}") { ${nested(5)} } }`],
    [
      'by cost',
      `{ account(id: "a") { ${aliases(3, 'keyspaces(first: 100) { nodes { account { keyspaces(first: 100) { nodes { id } } } } }')} } }`,
    ],
    ['by breadth', `{ viewer { ${aliases(501, 'kind')} } }`],
  ])('is refused %s, and nothing of it is done', async (_how, document) => {
    const { data, errors } = await app.execute(document)
    expect(Object.values(data ?? {}).filter((value) => value !== null)).toEqual([])
    expect(new Set(errors.map(({ extensions }) => extensions?.code))).toEqual(new Set(['OPERATION_TOO_LARGE']))
  })

  test('a batch of more than 100 is refused as such', async () => {
    const inputs = Array.from({ length: 101 }, () => ({ key: 'k' }))
    const { errors } = await app.execute(VerifyKeysDocument, { inputs })
    expect(errors).toMatchObject([{ extensions: { code: 'INVALID_INPUT', issues: [{ path: ['inputs'] }] } }])
  })
})

describe('revoking', () => {
  const revoke = (keyId: string) => app.ask(RevokeKeyDocument, { input: { keyId, reason: 'KEY_COMPROMISE' } })

  test('twice is one event and the same answer', async () => {
    const { keyId } = await app.createKey(await app.createKeyspace(theirs.ids.acct))
    const first = await revoke(keyId)
    app.clock.advance(DAY_MS)
    const count = await eventCount()
    const second = await revoke(keyId)
    expect(first.revokeKey).toMatchObject({ events: [{}], key: { status: 'REVOKED' } })
    expect(second.revokeKey).toEqual({ ...first.revokeKey, events: [] })
    expect(await eventCount()).toEqual(count)
  })

  test.each(['', 'key_', 'nothing', newId('key', 0), newId('code', 0), 'key_\0'])(
    'the unknown (%j) is not found',
    async (keyId) => {
      expect(await revoke(keyId)).toMatchObject({ revokeKey: { __typename: 'NotFoundError', code: 'NOT_FOUND' } })
    },
  )
})

describe('a fault', () => {
  test('of a mutation tells nothing of the inside, and leaves nothing behind', async () => {
    const broken = await startTestApp()
    try {
      const { accountId } = await broken.createAccount()
      const keyspaceId = await broken.createKeyspace(accountId)
      const { pool } = broken.database.owner
      const heads = () => pool.query('SELECT shard, head FROM log.feed_shard ORDER BY shard')
      const before = (await heads()).rows
      await pool.query('ALTER TABLE state.code RENAME COLUMN digest TO elsewhere')
      const { data, errors, requestId } = await broken.execute(CreateKeyDocument, { input: { keyspaceId, name: 'a' } })
      expect(data).toBeNull()
      expect(errors).toEqual([
        {
          message: 'Unexpected error.',
          path: ['createKey'],
          locations: [expect.anything()],
          extensions: { code: 'INTERNAL_SERVER_ERROR', requestId },
        },
      ])
      expect((await heads()).rows).toEqual(before)
      expect((await pool.query('SELECT FROM state.key')).rowCount).toBe(0)
    } finally {
      await broken.close()
    }
  })
})
