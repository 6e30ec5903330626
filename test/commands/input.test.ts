// Wrong input is refused field by field, before anything is looked up, whatever a client sends.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { rotateKey } from '#commands/rotate-key.ts'
import { mintSecret } from '#secret/mint.ts'
import { createTestDatabase, type TestDatabase } from '#test/support/database.ts'
import { type MadeAccount, type TestServices, testServices, tracesIn } from '#test/support/services.ts'
import { cases } from './cases.ts'

let database: TestDatabase
let at: TestServices
let account: MadeAccount
beforeAll(async () => {
  database = await createTestDatabase()
  at = testServices(database.serving)
  account = await at.createAccount()
})
afterAll(() => database.drop())

type Wrong = readonly [what: string, value: unknown, path?: string]

/** Part of every wrong value that has room for it: no message may repeat what a client sent. */
const SENT = 'sentvalue'

const wrongText = (lengthMax: number): readonly Wrong[] => [
  ['too long', SENT.padEnd(lengthMax + 1, 'x')],
  ['with NUL', `${SENT}\0`],
  ['with a control character', `${SENT}\u0007`],
  ['with a C1 control character', `${SENT}\u0085`],
  ['with DEL', `${SENT}\u007f`],
  ['with a lone surrogate', `${SENT}\ud800`],
  ['with surrogates in the wrong order', `\udc00\ud800${SENT}`],
  ['a number', 5],
  ['a list', [SENT]],
  ['an object', { toString: SENT }],
  ['true', true],
]
const wrongLine = (lengthMax: number): readonly Wrong[] => [
  ...wrongText(lengthMax),
  ['empty', ''],
  ['blank', ' \u00a0\u3000'],
  ['of two lines', `${SENT}\nb`],
  ['with a tab', `${SENT}\tb`],
  ['with a line separator', `${SENT}\u2028`],
]
const nested = (depth: number, innermost: unknown): unknown =>
  Array.from({ length: depth }).reduce((value) => [value], innermost)

const wrongTags: readonly Wrong[] = [
  ['no list', SENT],
  ['too many', Array.from({ length: 51 }, (_, index) => `tag ${index}`)],
  ['the same twice', [SENT, 'b', SENT], 'tags'],
  ...wrongLine(100).map(([what, value]): Wrong => [`one ${what}`, ['a', value], 'tags.1']),
]
const wrongPermissions: readonly Wrong[] = [
  ['no list', SENT],
  ['too many', Array.from({ length: 101 }, (_, index) => `p${index}`)],
  ['the same twice', [SENT, SENT]],
  ...[
    '',
    'Ads.read',
    'ads..read',
    '.ads',
    'ads.',
    'ads read',
    '*.read',
    'ads*',
    'ä',
    'a\0',
    '\ud800',
    `${'a'.repeat(129)}`,
  ].map((permission): Wrong => [`one ${JSON.stringify(permission).slice(0, 20)}`, ['a', permission], 'permissions.1']),
  ['one null', [null], 'permissions.0'],
]
const wrongMetadata: readonly Wrong[] = [
  ['too large', { a: 'x'.repeat(16_384) }],
  ['too large in bytes', '\u20ac'.repeat(6_000)],
  ['too deep', nested(21, 1)],
  ['deep enough to overflow a stack', nested(100_000, { toJSON: 1 })],
  ['with NUL', { a: [`${SENT}\0`] }],
  ['with NUL in a name', { [`${SENT}\0`]: 1 }],
  ['with a lone surrogate', [[`${SENT}\udfff`]]],
  ['with a lone surrogate in a name', { [`${SENT}\ud800`]: 1 }],
  ['not finite', { a: Number.POSITIVE_INFINITY }],
  ['not a number', Number.NaN],
  ['a big integer', 5n],
  ['with something undefined', { a: undefined }],
]
const wrongSecret: readonly Wrong[] = [
  ['short', SENT.padEnd(15, '-')],
  ['long', SENT.padEnd(257, '-')],
  ['with a space', `${SENT} and something`],
  ['with a tab', `${SENT}\tand something`],
  ['with a line break at its end', `${SENT}and-something\n`],
  ['with NUL', `${SENT}\0and-something`],
  ['beyond ASCII', `${SENT}änd-something`],
  ['with a lone surrogate', `${SENT}\ud800-something`],
  ['of 1 MB', SENT.padEnd(1_000_000, '-')],
  ['a generated one', mintSecret(SENT).reveal()],
  ['of the form of a generated one', `${mintSecret(SENT).reveal().slice(0, -1)}0`],
  ['a number', 5],
  ['a list', [SENT]],
]
const wrongPolicyIds: readonly Wrong[] = [
  ['no list', SENT],
  ['too many', Array.from({ length: 51 }, (_, index) => `pol_${index}`)],
  ['the same twice', [SENT, SENT]],
  ['one number', ['a', 5], 'policyIds.1'],
  ['one null', [null], 'policyIds.0'],
]
const wrongDescription: readonly Wrong[] = [...wrongText(2_000), ['empty', ''], ['blank', ' \n\u3000']]
const path = '/a'
const methods = ['GET']
const wrongEndpoints: readonly Wrong[] = [
  ['no list', SENT],
  ['too many', Array.from({ length: 33 }, () => ({ methods, path }))],
  ['no object', [null], 'endpoints.0'],
  ['no methods', [{ path }], 'endpoints.0.methods'],
  ['an empty list of methods', [{ methods: [], path }], 'endpoints.0.methods'],
  ['methods that are no list', [{ methods: 'GET', path }], 'endpoints.0.methods'],
  ['too many methods', [{ methods: [...'ABCDEFGHIJK'], path }], 'endpoints.0.methods'],
  ['a method twice', [{ methods: ['GET', 'GET'], path }], 'endpoints.0.methods'],
  ...['get', '', 'G T', '**', `${SENT}`, 'X'.repeat(21), 5].map(
    (method): Wrong => [`the method ${method}`, [{ methods: ['GET', method], path }], 'endpoints.0.methods.1'],
  ),
  ['no path', [{ methods }], 'endpoints.0.path'],
  ...['', SENT, `/${SENT}(`, '/(a+)+', '/a{', '/:a?', '//a', '/..', '/%2f', '/ä', '/\0', `/${'a'.repeat(256)}`, 5].map(
    (wrongPath): Wrong => [
      `the path ${wrongPath}`,
      [
        { methods, path },
        { methods, path: wrongPath },
      ],
      'endpoints.1.path',
    ],
  ),
]
const wrongCodes: readonly Wrong[] = [
  ['no list', SENT],
  ['too many', [{}, {}, {}]],
  ['one slot twice', [{ slot: 'PRIMARY' }, { slot: 'PRIMARY' }], 'codes.1.slot'],
  ['an unknown slot', [{ slot: SENT }], 'codes.0.slot'],
  ['no object', [null], 'codes.0'],
  ...wrongSecret.map(([what, secret]): Wrong => [`secret ${what}`, [{}, { secret }], 'codes.1.secret']),
  ...wrongText(2_000).map(
    ([what, description]): Wrong => [`described ${what}`, [{}, { description }], 'codes.1.description'],
  ),
]
const wrongRules: readonly Wrong[] = [
  ['no object', SENT],
  ['a prefix that is no text', { prefix: 5 }, 'rules.prefix'],
  ['a prefix that is no Unicode', { prefix: '\ud800' }, 'rules.prefix'],
  ['a prefix in upper case', { prefix: 'SENT' }, 'rules.prefix'],
  ['a prefix of 1 MB', { prefix: 'a'.repeat(1_000_000) }, 'rules.prefix'],
  ['an unknown rule of deletion', { codeDeletion: SENT }, 'rules.codeDeletion'],
  ['unknown managers', { managedBy: SENT }, 'rules.managedBy'],
  ['a limit below 1', { activeKeysMax: 0 }, 'rules.activeKeysMax'],
  ['a limit that is not whole', { activeKeysMax: 1.5 }, 'rules.activeKeysMax'],
  ['a limit beyond a number', { activeKeysMax: Number.POSITIVE_INFINITY }, 'rules.activeKeysMax'],
  ['three live codes', { liveCodesMax: 3 }, 'rules.liveCodesMax'],
  ['more codes at creation than live', { liveCodesMax: 1, codesAtCreation: 2 }, 'rules.codesAtCreation'],
  ['a default lifetime above the longest', { codeLifetimeDays: 2, codeLifetimeDaysMax: 1 }, 'rules.codeLifetimeDays'],
  ['no truth value', { expiryRequired: 'yes' }, 'rules.expiryRequired'],
  ['an unknown way of showing secrets', { secretDisplay: SENT }, 'rules.secretDisplay'],
  ['an unknown rule of authorizations', { authorizations: SENT }, 'rules.authorizations'],
  ['no truth value about policies', { policyRequired: 'yes' }, 'rules.policyRequired'],
  ['no truth value about own secrets', { customSecrets: 1 }, 'rules.customSecrets'],
  ['no truth value about default keys', { defaultKeys: 'yes' }, 'rules.defaultKeys'],
  ...wrongLine(200).map(
    ([what, defaultKeyName]): Wrong => [`default keys called ${what}`, { defaultKeyName }, 'rules.defaultKeyName'],
  ),
]
const clearing = (...rules: readonly string[]): readonly Wrong[] =>
  rules.map((rule): Wrong => [`${rule} null`, { [rule]: null }, `rules.${rule}`])

const NULL: Wrong = ['null', null]
const ABSENT: Wrong = ['absent', undefined]
const wrongKey = {
  description: wrongText(2_000),
  tags: wrongTags,
  policyIds: wrongPolicyIds,
  permissions: wrongPermissions,
  ownerId: [['a number', 5]] as const,
  actsAs: wrongText(320),
  metadata: wrongMetadata,
  expiresAt: [['a number', 5]] as const,
}
const wrongCode = { description: wrongText(2_000), expiresAt: [['a number', 5]] as const, secret: wrongSecret }
const role: readonly Wrong[] = [['unknown', SENT], ['in lower case', 'member'], NULL]
const slot: readonly Wrong[] = [
  ['unknown', SENT],
  ['in lower case', 'primary'],
]
const ending = {
  reason: [['unknown', SENT], NULL, ABSENT] as const,
  note: wrongText(1_000),
}

/** By the mutation's name and the field, each with what is wrong about the value. */
const wrong: Readonly<Record<string, Readonly<Record<string, readonly Wrong[]>>>> = {
  createAccount: { name: [...wrongLine(200), NULL, ABSENT] },
  updateAccount: { name: [...wrongLine(200), NULL] },
  createKeyspace: { name: [...wrongLine(200), NULL, ABSENT], rules: wrongRules },
  updateKeyspace: {
    name: [...wrongLine(200), NULL],
    rules: [
      ...wrongRules,
      NULL,
      ...clearing(
        'prefix',
        'liveCodesMax',
        'codesAtCreation',
        'expiryRequired',
        'secretDisplay',
        'customSecrets',
        'authorizations',
        'policyRequired',
        'codeDeletion',
        'managedBy',
        'defaultKeys',
        'defaultKeyName',
      ),
    ],
  },
  deleteKeyspace: {},
  createPolicy: {
    name: [...wrongLine(200), NULL, ABSENT],
    description: [...wrongDescription, NULL, ABSENT],
    permissions: [...wrongPermissions, NULL, ABSENT],
    endpoints: wrongEndpoints,
  },
  updatePolicy: {
    name: [...wrongLine(200), NULL],
    description: [...wrongDescription, NULL],
    permissions: wrongPermissions,
    endpoints: wrongEndpoints,
  },
  deletePolicy: {},
  createKey: {
    name: [...wrongLine(200), NULL, ABSENT],
    enabled: [['text', SENT], NULL, ABSENT],
    codes: wrongCodes,
    ...wrongKey,
  },
  updateKey: { name: [...wrongLine(200), NULL], ...wrongKey },
  enableKey: {},
  disableKey: {},
  revokeKey: ending,
  deleteKey: ending,
  rotateKey: {
    slot: [...slot, NULL, ABSENT],
    overlapSeconds: [
      ['negative', -1],
      ['above 30 days', 2_592_001],
      ['not whole', 1.5],
      ['not a number', Number.NaN],
      ['text', '60'],
      NULL,
      ABSENT,
    ],
    ...wrongCode,
  },
  issueCode: { slot, ...wrongCode },
  updateCode: { description: wrongText(2_000) },
  enableCode: {},
  disableCode: {},
  deleteCode: {},
  revealCode: {},
  addUser: {
    externalId: [
      ...wrongLine(320),
      ['with space in front', ` ${SENT}`],
      ['with space behind', `${SENT}\u00a0`],
      NULL,
      ABSENT,
    ],
    displayName: wrongLine(200),
    role: [...role, ABSENT],
    permissions: wrongPermissions,
  },
  updateUser: { displayName: wrongLine(200), role, permissions: wrongPermissions },
  removeUser: {},
  eraseUser: {},
  linkKey: { policyIds: [...wrongPolicyIds, NULL, ABSENT] },
  updateLink: { policyIds: [...wrongPolicyIds, NULL, ABSENT] },
  unlinkKey: {},
}

test('every command is looked at', () => {
  expect(Object.keys(wrong).sort()).toEqual(cases.map(({ name }) => name).sort())
})

describe.each(cases)('$name', ({ name, command, id, neverRetried, prepare }) => {
  const fields: Readonly<Record<string, readonly Wrong[]>> = {
    ...wrong[name],
    ...(id === null ? {} : { [id]: [['a number', 5], ['a list', [SENT]], NULL, ABSENT] as const }),
    ...(neverRetried ? {} : { idempotencyKey: wrongLine(255) }),
  }

  test.each(Object.entries(fields))('refuses a wrong %s and leaves nothing', async (field, values) => {
    const input = await prepare(at, account)
    const before = await tracesIn(database.owner)
    for (const [what, value, path = field] of values) {
      const refusal = await at.refusal(command, { idempotencyKey: 'wrong', ...input, [field]: value })
      expect(refusal, what).toMatchObject({ code: 'INVALID_INPUT' })
      if (refusal.code !== 'INVALID_INPUT') continue
      expect(
        refusal.issues.map((issue) => issue.path.join('.')),
        what,
      ).toContain(path)
      for (const { message } of refusal.issues) {
        expect(message, what).not.toContain(SENT)
        expect(message, what).toMatch(/^[A-Z]?[a-z].{5,200}$/s)
      }
    }
    expect(await tracesIn(database.owner)).toEqual(before)
  })

  test('names every wrong field at once', async () => {
    const input = { ...(await prepare(at, account)), [id ?? 'name']: 5, idempotencyKey: 5 }
    expect(await at.refusal(command, input)).toMatchObject({
      issues: [{ path: [id ?? 'name'] }, ...(neverRetried ? [] : [{ path: ['idempotencyKey'] }])],
    })
  })

  test.each([
    ['nothing', undefined],
    ['null', null],
    ['text', 'text'],
    ['a list', []],
  ])('refuses %s for an input', async (_what, input) => {
    expect(await at.refusal(command, input)).toMatchObject({ code: 'INVALID_INPUT' })
  })
})

describe('what is just within the limits is accepted', () => {
  const largest = {
    name: 'x'.repeat(200),
    description: `two\r\nlines\tand ${'x'.repeat(1_980)}`.slice(0, 2_000),
    tags: Array.from({ length: 50 }, (_, index) => `${index}`.padStart(100, 'x')),
    metadata: nested(20, 1),
    permissions: ['*', 'ads.*', 'a'.repeat(128), ...Array.from({ length: 97 }, (_, index) => `p${index}`)],
    expiresAt: '9999-12-31T23:59:59.999Z',
    idempotencyKey: 'x'.repeat(255),
  }
  const smallest = { name: '\u{1f600}', description: '', tags: [], metadata: 'x'.repeat(16_382), permissions: [] }

  test.each([
    ['largest', largest],
    ['smallest', smallest],
  ])('for a key, the %s', async (_which, input) => {
    const keyspaceId = await at.createKeyspace(account.accountId)
    const made = await at.createKey(keyspaceId, input)
    const row = await at.database.kysely
      .selectFrom('state.key')
      .selectAll()
      .where('key_id', '=', made.keyId)
      .executeTakeFirstOrThrow()
    const { idempotencyKey: _, expiresAt, ...details } = { expiresAt: null, idempotencyKey: null, ...input }
    expect(row).toMatchObject({ ...details, expires_at: expiresAt })
  })

  test.each([
    ['text', 'text'],
    ['a number', -0.5],
    ['a truth value', false],
    ['an empty list', []],
    [
      'an object with every kind of value',
      { a: [null, true, 1e21, 5e-324, 'ß', '\u{1f600}', {}], '': { é: '"\\/\b' } },
    ],
    ['members with names that objects have', JSON.parse('{"__proto__": {"a": 1}, "constructor": 2, "toJSON": "x"}')],
  ])('as metadata, %s', async (_what, metadata) => {
    const keyspaceId = await at.createKeyspace(account.accountId)
    const { keyId } = await at.createKey(keyspaceId, { metadata })
    const { rows } = await database.owner.pool.query(
      `SELECT k.metadata AS row, e.data -> 'metadata' AS event FROM state.key k JOIN log.event e ON e.stream_id = k.key_id
        WHERE key_id = $1 AND e.version = 1`,
      [keyId],
    )
    expect(JSON.stringify(sorted(rows[0].row))).toBe(JSON.stringify(sorted(metadata)))
    expect(JSON.stringify(sorted(rows[0].event))).toBe(JSON.stringify(sorted(metadata)))
  })

  test.each([0, 60, 2_592_000])('as an overlap, %d seconds', async (overlapSeconds) => {
    const keyspaceId = await at.createKeyspace(account.accountId)
    const { keyId } = await at.createKey(keyspaceId)
    expect((await at.run(rotateKey, { keyId, slot: 'PRIMARY', overlapSeconds })).kind).toBe('done')
  })
})

/** With members in the order of their names, which JSON leaves open. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  return Object.entries(value)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, member]) => [name, sorted(member)])
}
