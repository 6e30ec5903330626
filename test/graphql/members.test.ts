// Members see and manage the keys that they own where owners manage, and nothing of any other: every query, mutation and way through
// the schema, over HTTP, as a curious member meets it.
import { getNamedType, isInterfaceType, isLeafType, isObjectType, isRequiredArgument } from 'graphql'
import { afterAll, describe, expect, test } from 'vitest'
import { schema } from '#graphql/schema.ts'
import { newId } from '#secret/ids.ts'
import { startTestApp } from '#test/support/app.ts'
import {
  type RootField,
  requiredVariables,
  rootFieldsOf,
  type Slot,
  slotsOf,
  withValue,
} from '#test/support/root-fields.ts'
import { fieldsOf, needOf } from './support.ts'

const app = await startTestApp()
afterAll(() => app.close())

const { accountId, managementKeyspaceId } = await app.createAccount()
const RULES = { secretDisplay: 'REVEALABLE', liveCodesMax: 2 }
const keyspaceId = await app.createKeyspace(accountId, { ...RULES, managedBy: 'OWNERS' })
const closed = await app.createKeyspace(accountId, RULES)

/** A user with a key that has a rotation, in the keyspace where owners manage, and a credential that acts as them. */
async function makeMember(name: string) {
  const userId = await app.addUser(accountId, { externalId: name, permissions: ['ads.*'] })
  const { secret: credential } = await app.createKey(managementKeyspaceId, {
    name: `credential of ${name}`,
    actsAs: name,
    permissions: ['*'],
  })
  return { userId, credential, key: await makeKey(keyspaceId, { name: `key of ${name}`, ownerId: userId }) }
}

async function makeKey(within: string, input: object) {
  const made = await app.createKey(within, { tags: ['common'], permissions: ['ads.read'], ...input })
  const rotate = `mutation ($input: RotateKeyInput!) { rotateKey(input: $input) {
    ... on RotateKeySuccess { rotation { id } issued { secret accessCode { id hint } } } } }`
  const { rotateKey } = await app.ask<{ rotateKey: Rotated }, object>(rotate, {
    input: { keyId: made.keyId, overlapSeconds: 60 },
  })
  const { secret, accessCode } = rotateKey.issued
  return { key: made.keyId, code: accessCode.id, rot: rotateKey.rotation.id, hint: accessCode.hint, secret }
}
type Rotated = {
  readonly rotation: { readonly id: string }
  readonly issued: { readonly secret: string; readonly accessCode: { readonly id: string; readonly hint: string } }
}
type Things = Awaited<ReturnType<typeof makeKey>>

const ann = await makeMember('ann')
const bob = await makeMember('bob')
/** All that is not hers, by what makes it so. */
const hidden: Readonly<Record<string, Things>> = {
  'another’s': bob.key,
  'a linked one': await makeKey(await app.createKeyspace((await app.createAccount('Other')).accountId), {
    name: 'linked',
  }),
  'nobody’s': await makeKey(keyspaceId, { name: 'nobody’s key' }),
  'her own where administrators manage': await makeKey(closed, { name: 'a key kept for ann', ownerId: ann.userId }),
  'her own credential': await makeKey(managementKeyspaceId, {
    name: 'given to ann',
    ownerId: ann.userId,
    actsAs: 'ann',
    permissions: [],
  }),
}
// Whoever may write keys is told that a linked one takes no codes here.
await app.linkKey(accountId, hidden['a linked one']?.key ?? '')
const asAnn = { credential: ann.credential }

const rootFields = await rootFieldsOf(app)
const OPEN = [
  'node',
  'viewer',
  'key',
  'code',
  'createKey',
  'updateKey',
  'enableKey',
  'disableKey',
  'revokeKey',
  'deleteKey',
  'rotateKey',
  'issueCode',
  'updateCode',
  'enableCode',
  'disableCode',
  'deleteCode',
  'revealCode',
]

async function eventCount(): Promise<unknown> {
  return (await app.database.owner.pool.query('SELECT sum(head) FROM log.feed_shard')).rows[0]
}

type Kind = 'key' | 'code' | 'rot'
const isId = ({ type }: Slot) => getNamedType(type).name === 'ID'

/** What an id in this place names, as far as that is part of a key. */
function kindsAt(field: RootField, { path }: Slot): readonly Kind[] {
  if (field.name === 'node') return ['key', 'code', 'rot']
  const last = path.at(-1) === 'id' ? field.name : path.at(-1)?.replace(/Ids?$/, '')
  return last === 'key' || last === 'code' ? [last] : []
}

function variablesFor(field: RootField) {
  return requiredVariables(field, {
    valueFor(slot) {
      if (isId(slot)) return slot.path.at(-1) === 'keyspaceId' ? keyspaceId : ann.key[kindsAt(field, slot)[0] ?? 'key']
      if (getNamedType(slot.type).name === 'DateTime') return app.clock.now()
      if (getNamedType(slot.type).name === 'Position') return '1'
      return 'text'
    },
  })
}

async function answerTo(field: RootField, path: readonly string[], id: string) {
  const variables = withValue(variablesFor(field), path, id)
  const { data, errors, status } = await app.execute(field.document, variables, asAnn)
  return JSON.parse(JSON.stringify({ data, errors, status }).replaceAll(id, 'the id'))
}

describe('a member', () => {
  test('may run nothing but what is about keys', async () => {
    const before = await eventCount()
    const denied: string[] = []
    for (const field of rootFields.filter(({ name }) => !OPEN.includes(name))) {
      const { errors } = await app.execute(field.document, variablesFor(field), asAnn)
      expect(
        errors.map(({ extensions }) => extensions?.code),
        field.name,
      ).toEqual(['FORBIDDEN'])
      denied.push(field.name)
    }
    expect(denied.length + OPEN.length).toBe(rootFields.length)
    expect(await eventCount()).toEqual(before)
  })

  const ending = ['revokeKey', 'deleteCode', 'deleteKey']
  const places = rootFields
    .filter(({ name }) => OPEN.includes(name))
    .toSorted((a, b) => ending.indexOf(a.name) - ending.indexOf(b.name))
    .flatMap((field) =>
      field.args
        .flatMap(slotsOf)
        .filter(isId)
        .flatMap((slot) => kindsAt(field, slot).map((kind) => ({ field, path: slot.path, kind }))),
    )

  test('can name a key, a code or a rotation in as many places as there are', () => {
    expect(places.map(({ field, kind }) => `${field.name} ${kind}`).toSorted()).toEqual([
      'code code',
      'deleteCode code',
      'deleteKey key',
      'disableCode code',
      'disableKey key',
      'enableCode code',
      'enableKey key',
      'issueCode key',
      'key key',
      'node code',
      'node key',
      'node rot',
      'revealCode code',
      'revokeKey key',
      'rotateKey key',
      'updateCode code',
      'updateKey key',
    ])
  })

  test.each(places.map((place) => [`${place.field.name} of a ${place.kind}`, place] as const))(
    '%s answers about what is not hers as if it did not exist',
    async (_name, { field, path, kind }) => {
      const before = await eventCount()
      for (const [what, things] of Object.entries(hidden))
        expect(await answerTo(field, path, things[kind]), what).toEqual(await answerTo(field, path, newId(kind, 5)))
      expect(await eventCount()).toEqual(before)
      // Or the test would be content with an API that finds nothing at all.
      expect(await answerTo(field, path, ann.key[kind])).not.toEqual(await answerTo(field, path, newId(kind, 5)))
    },
  )
})

describe('the secret of a code', () => {
  const download = async (codeId: string) => {
    const headers = { authorization: `Bearer ${ann.credential}` }
    const response = await fetch(`${app.origin}/codes/${codeId}/secret.txt`, { headers })
    return { status: response.status, body: await response.text() }
  }

  test('is a file for its owner alone', async () => {
    const { code, secret } = await makeKey(keyspaceId, { ownerId: ann.userId })
    expect(await download(code)).toEqual({ status: 200, body: secret })
    const before = await eventCount()
    for (const things of Object.values(hidden))
      expect(await download(things.code)).toEqual(await download(newId('code', 5)))
    expect(await eventCount()).toEqual(before)
  })
})

describe('lists and counts', () => {
  const markers = [
    ...Object.values(hidden).flatMap(({ key, code, rot, hint }) => [key, code, rot, hint]),
    ...['key of bob', 'nobody’s key', 'a key kept for ann', 'given to ann', 'credential of'],
    bob.userId,
    '"bob"',
  ]
  const SELECTION = 'totalCount edges { cursor } nodes { id name codes(retired: true) { id hint } }'
  const inAccount = `query ($id: ID!, $filter: KeyFilter, $orderBy: KeyOrder) {
    viewer { account { keys(filter: $filter, orderBy: $orderBy) { ${SELECTION} } } } key(id: $id) { id } }`
  const inKeyspace = `query ($id: ID!, $filter: KeyFilter, $orderBy: KeyOrder) {
    key(id: $id) { keyspace { activeKeyCount keys(filter: $filter, orderBy: $orderBy) { ${SELECTION} } } } }`
  const filters: readonly object[] = [
    {},
    { keyspaceId },
    { keyspaceId: closed },
    { keyspaceId: managementKeyspaceId },
    { statuses: ['ACTIVE', 'DISABLED', 'EXPIRED', 'REVOKED', 'DELETED'] },
    { ownerId: bob.userId },
    { ownerId: ann.userId },
    { tags: ['common'] },
    { name: 'k' },
    { hint: bob.key.hint },
    { hint: bob.key.secret },
    { hint: 'key_' },
    { expiresBefore: '2999-01-01T00:00:00Z' },
    { unusedSince: '2999-01-01T00:00:00Z' },
  ]
  const orders = ['CREATED_AT', 'NAME', 'EXPIRES_AT', 'LAST_USED_AT'].map((field) => ({ field, direction: 'ASC' }))

  async function ownKeys(): Promise<number> {
    const { rows } = await app.database.owner.pool.query(
      'SELECT FROM state.key WHERE owner_id = $1 AND keyspace_id = $2 AND deleted_at IS NULL AND revoked_at IS NULL',
      [ann.userId, keyspaceId],
    )
    return rows.length
  }

  test.each([['account', inAccount] as const, ['keyspace', inKeyspace] as const])(
    'of an %s show her keys alone, whatever is filtered and however it is ordered',
    async (_of, document) => {
      const { key: id } = await makeKey(keyspaceId, { name: 'key of ann', ownerId: ann.userId })
      for (const filter of filters)
        for (const orderBy of orders) {
          const { data, errors } = await app.execute(document, { id, filter, orderBy }, asAnn)
          expect(errors).toEqual([])
          const text = JSON.stringify(data)
          for (const marker of markers) expect(text, JSON.stringify(filter)).not.toContain(marker)
        }
      const all = JSON.stringify(await app.ask(document, { id, filter: {} }, asAnn))
      expect(all).toContain(`"totalCount":${await ownKeys()}`)
      expect(all).toContain(id)
    },
  )

  test('of active keys counts her own', async () => {
    const { key: id } = await makeKey(keyspaceId, { ownerId: ann.userId })
    const document = '{ key(id: "ID") { keyspace { activeKeyCount } } }'.replace('ID', id)
    expect(await app.ask(document, {}, asAnn)).toEqual({ key: { keyspace: { activeKeyCount: await ownKeys() } } })
  })

  test('no way through the schema leads to anything of another’s', async () => {
    const { key: id, code, rot } = await makeKey(keyspaceId, { name: 'key of ann', ownerId: ann.userId })
    // As an administrator may have it. To her nobody is there but herself.
    const acting = await makeKey(keyspaceId, { name: 'key of ann', ownerId: ann.userId, actsAs: 'bob' })
    const starts = [
      ['Viewer', 'viewer'],
      ['ApiKey', `key(id: "${acting.key}")`],
      ['ApiKey', `key(id: "${id}")`],
      ['AccessCode', `code(id: "${code}")`],
      ['Rotation', `node(id: "${rot}") { ... on Rotation`],
    ] as const
    let answered = 0
    for (const [type, start] of starts)
      for (const steps of waysFrom(type, 3)) {
        const document = `{ ${start} ${steps} ${start.includes('{') ? '}' : ''} }`
        const { data, errors } = await app.execute(document, {}, asAnn)
        expect(
          errors.filter(({ extensions }) => extensions?.code !== 'FORBIDDEN'),
          document,
        ).toEqual([])
        const text = JSON.stringify(data)
        for (const marker of markers) expect(text, document).not.toContain(marker)
        if (errors.length === 0) answered += 1
      }
    expect(answered).toBeGreaterThan(50)
  })

  const ARGUMENTS: Readonly<Record<string, string>> = {
    name: '"management"',
    externalId: '"bob"',
    keyspaceId: `"${keyspaceId}"`,
    // Lists must fit into the cost of one operation; she has few keys.
    first: '9',
  }

  /** Selections of a type's plain fields, and of those of every type that so many steps lead to, each way by itself. */
  function waysFrom(typeName: string, steps: number): readonly string[] {
    const type = schema.getType(typeName)
    if (!isObjectType(type) && !isInterfaceType(type)) return []
    const all = Object.values(type.getFields())
    const passed = (args: (typeof all)[number]['args']) => {
      const given = args
        .filter((arg) => isRequiredArgument(arg) || arg.name in ARGUMENTS)
        .map((arg) => `${arg.name}: ${ARGUMENTS[arg.name]}`)
      if (given.some((text) => text.endsWith('undefined'))) throw new Error(`Say what ${given.join()} is`)
      return given.length > 0 ? `(${given.join(', ')})` : ''
    }
    const plain = all.filter((field) => isLeafType(getNamedType(field.type)) && isReadable(typeName, field.name))
    const ways = steps === 0 ? [] : all.filter((field) => !isLeafType(getNamedType(field.type)))
    return [
      `{ __typename ${plain.map((field) => `${field.name}${passed(field.args)}`).join(' ')} }`,
      ...ways.flatMap((field) => {
        const next = getNamedType(field.type).name
        // A connection and its edges are no steps of their own.
        const free = /(Connection|Edge)$/.test(next)
        return waysFrom(next, free ? steps : steps - 1).map((rest) => `{ ${field.name}${passed(field.args)} ${rest} }`)
      }),
    ]
  }

  /** Plain fields that she may not read would take the others with them. */
  function isReadable(typeName: string, name: string): boolean {
    const need = fieldsOf(typeName)
      .filter((field) => field.name === name)
      .map(needOf)[0]
    return need === 'parent' || need === 'caller' || need === 'keys.read'
  }
})

describe('at once', () => {
  const sees = async (keyId: string) =>
    (await app.ask<{ key: object | null }, object>('query ($id: ID!) { key(id: $id) { id } }', { id: keyId }, asAnn))
      .key
  const change = (mutation: string, input: object) => {
    const type = `${mutation.charAt(0).toUpperCase()}${mutation.slice(1)}Input!`
    return app.ask(`mutation ($input: ${type}) { ${mutation}(input: $input) { __typename } }`, { input })
  }

  test('a key that is given to somebody else is gone, and one that is given to her is there', async () => {
    const { key: keyId } = await makeKey(keyspaceId, { ownerId: ann.userId })
    expect(await sees(keyId)).not.toBeNull()
    await change('updateKey', { keyId, ownerId: bob.userId })
    expect(await sees(keyId)).toBeNull()
    await change('updateKey', { keyId, ownerId: ann.userId })
    expect(await sees(keyId)).not.toBeNull()
  })

  test('a keyspace that owners no longer manage is none of hers, and with another role she sees all', async () => {
    const within = await app.createKeyspace(accountId, { managedBy: 'OWNERS' })
    const { key: keyId } = await makeKey(within, { ownerId: ann.userId })
    expect(await sees(keyId)).not.toBeNull()
    await change('updateKeyspace', { keyspaceId: within, rules: { managedBy: 'ADMINISTRATORS' } })
    expect(await sees(keyId)).toBeNull()
    await change('updateUser', { userId: ann.userId, role: 'AUDITOR' })
    expect(await sees(keyId)).not.toBeNull()
    expect(await sees(bob.key.key)).not.toBeNull()
    await change('updateUser', { userId: ann.userId, role: 'MEMBER' })
    expect(await sees(bob.key.key)).toBeNull()
  })
})
