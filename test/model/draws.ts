// What random mutations are made of: numbers that choose what they are about, and values to say about it.
import fc from 'fast-check'
import { MUTATIONS, type Mutation } from './decision.ts'

export const HOUR_MS = 3_600_000
export const DAY_MS = 24 * HOUR_MS

/** Each as often: they choose, and there is nothing about the smallest. */
export const numbers = fc.noBias(fc.nat({ max: 99 }))
/** Right values mostly: what is no input at all has tests of its own. */
function mostly<Right, Wrong>(right: readonly Right[], ...wrong: readonly Wrong[]): fc.Arbitrary<Right | Wrong> {
  const rare = { weight: 1, arbitrary: fc.constantFrom(...wrong) }
  return fc.oneof({ weight: 14, arbitrary: fc.constantFrom(...right) }, ...(wrong.length > 0 ? [rare] : []))
}

const expiries = mostly([null, HOUR_MS, DAY_MS, 20 * DAY_MS, 20 * DAY_MS, 300 * DAY_MS], -HOUR_MS, 0, 500 * DAY_MS)
const slots = fc.constantFrom('PRIMARY', 'PRIMARY', 'SECONDARY', null)
const descriptions = fc.constantFrom(null, '', 'for people')
/** Seldom given at all: most keyspaces allow none. */
const secrets = mostly([undefined, undefined, undefined, 'kX9vQ2Lm7RtB4zWc'], 'Jh5pN8sDf3GyU6eA', 'weak', 'short', null)
const permissions = mostly(
  [
    [],
    ['ads.read'],
    ['ads.*', 'reports.export'],
    ['*'],
    ['keys.write'],
    ['keys.read', 'keys.verify'],
    ['keys.*'],
    null,
  ],
  ['NO'],
  ['a', 'a'],
)
const optional = { requiredKeys: [] }
const newCodes = fc.record({ slot: slots, expiresAt: expiries, secret: secrets, description: descriptions }, optional)
const rules = fc.record(
  {
    prefix: mostly(['app', 'x1'], 'BAD', null),
    activeKeysMax: mostly([null, 1, 2, 2, 3], 0),
    liveCodesMax: mostly([1, 2, 2], 3, null),
    codesAtCreation: mostly([0, 1, 1, 2], null),
    codeLifetimeDays: mostly([null, 1, 30], 400),
    codeLifetimeDaysMax: fc.constantFrom(null, null, 30, 365),
    expiryRequired: fc.constantFrom(false, false, true),
    customSecrets: fc.constant(true),
    codeDeletion: fc.constantFrom('ALWAYS', 'WHEN_DISABLED'),
    secretDisplay: mostly(['REVEALABLE', 'REVEALABLE', 'ONCE'], null),
    authorizations: fc.constantFrom('EDITABLE', 'EDITABLE', 'FROZEN'),
    policyRequired: fc.constantFrom(false, false, true),
    managedBy: fc.constantFrom('OWNERS', 'ADMINISTRATORS'),
    defaultKeys: fc.constantFrom(false, true),
  },
  optional,
)

/** By itself, as most of many rules at once contradict each other. */
const switches = fc.record({ authorizations: fc.constantFrom('EDITABLE', 'FROZEN', 'FROZEN') })

const FIELDS = {
  name: mostly(['alpha', 'beta', 'gamma', 'delta', 'epsilon', 'management'], ' ', 'x'.repeat(201), null),
  description: descriptions,
  tags: mostly([[], ['a'], ['a', 'b'], ['b', 'a'], null], ['a', 'a']),
  metadata: fc.constantFrom({}, { a: { b: [1, null] } }, { b: 'x', a: true }, 'text', null),
  permissions,
  expiresAt: expiries,
  enabled: fc.constantFrom(true, true, false),
  codes: fc.oneof(
    { weight: 6, arbitrary: fc.array(newCodes, { maxLength: 2 }) },
    { weight: 1, arbitrary: fc.constant(null) },
  ),
  rules: mostly([true], null).chain((given) => (given === null ? fc.constant(null) : fc.oneof(rules, switches))),
  slot: slots,
  secret: secrets,
  policyIds: fc.oneof(
    { weight: 8, arbitrary: fc.array(numbers, { maxLength: 2 }) },
    { weight: 1, arbitrary: fc.constant(null) },
  ),
  endpoints: fc.constantFrom(
    [],
    [],
    [{ methods: ['GET'], path: '/reports/:id' }],
    [
      { methods: ['*'], path: '/ads/*' },
      { methods: ['POST', 'PUT'], path: '/reports/:id' },
    ],
    null,
  ),
  purpose: mostly(['to read', 'to write'], ' ', null),
  ownerId: fc.option(numbers, { freq: 4 }),
  actsAs: fc.option(numbers, { freq: 4 }),
  externalId: mostly(['ann', 'bob', 'cy', 'Ann', 'dee@example.org'], ' ann', ''),
  displayName: fc.constantFrom('Ann', 'Bob', null),
  role: fc.constantFrom('ADMINISTRATOR', 'AUDITOR', 'VERIFIER', 'MEMBER', 'MEMBER'),
  linked: numbers,
  into: fc.option(numbers, { freq: 2 }),
  overlapSeconds: mostly([0, 1, 60, 3_600, 2_592_000], 2_592_001, -1),
}
type Field = keyof typeof FIELDS

type Shape = {
  readonly weight: number
  readonly id?: IdField
  /** What it must say. */
  readonly needs?: readonly Field[]
  /** What else it may say. */
  readonly fields?: readonly Field[]
}
export type IdField = 'accountId' | 'keyspaceId' | 'keyId' | 'codeId' | 'policyId' | 'userId' | 'linkId'

const DETAILS = [
  'description',
  'tags',
  'metadata',
  'permissions',
  'policyIds',
  'ownerId',
  'actsAs',
  'expiresAt',
] as const
const POLICY = ['name', 'purpose', 'permissions', 'endpoints'] as const
/** In the place of null, where GraphQL itself wants a value. */
const NEEDED: { readonly [Name in Field]?: unknown } = {
  name: 'alpha',
  purpose: 'to see',
  permissions: [],
  policyIds: [],
}
const NEW_CODE = ['slot', 'expiresAt', 'secret', 'description'] as const

/** How often a mutation comes, what it is about, and what it says. */
export const SHAPES: { readonly [Name in Mutation]: Shape } = {
  createAccount: { weight: 1, needs: ['name'] },
  updateAccount: { weight: 1, id: 'accountId', fields: ['name'] },
  createKeyspace: { weight: 1, id: 'accountId', needs: ['name'], fields: ['rules'] },
  updateKeyspace: { weight: 7, id: 'keyspaceId', fields: ['name', 'rules'] },
  deleteKeyspace: { weight: 2, id: 'keyspaceId' },
  createPolicy: { weight: 4, id: 'accountId', needs: ['name', 'purpose', 'permissions'], fields: ['endpoints'] },
  updatePolicy: { weight: 5, id: 'policyId', fields: POLICY },
  deletePolicy: { weight: 2, id: 'policyId' },
  addUser: { weight: 4, id: 'accountId', needs: ['externalId', 'role'], fields: ['displayName', 'permissions'] },
  updateUser: { weight: 4, id: 'userId', fields: ['displayName', 'role', 'permissions'] },
  removeUser: { weight: 1, id: 'userId' },
  eraseUser: { weight: 1, id: 'userId' },
  linkKey: { weight: 6, id: 'accountId', needs: ['linked', 'policyIds'], fields: ['into'] },
  updateLink: { weight: 3, id: 'linkId', needs: ['policyIds'] },
  unlinkKey: { weight: 1, id: 'linkId' },
  createKey: { weight: 10, id: 'keyspaceId', needs: ['name'], fields: [...DETAILS, 'enabled', 'codes'] },
  updateKey: { weight: 6, id: 'keyId', fields: ['name', ...DETAILS] },
  enableKey: { weight: 3, id: 'keyId' },
  disableKey: { weight: 3, id: 'keyId' },
  revokeKey: { weight: 1, id: 'keyId' },
  deleteKey: { weight: 1, id: 'keyId' },
  issueCode: { weight: 8, id: 'keyId', fields: NEW_CODE },
  updateCode: { weight: 2, id: 'codeId', fields: ['description'] },
  enableCode: { weight: 4, id: 'codeId' },
  disableCode: { weight: 5, id: 'codeId' },
  deleteCode: { weight: 3, id: 'codeId' },
  rotateKey: { weight: 12, id: 'keyId', fields: [...NEW_CODE, 'overlapSeconds'] },
  revealCode: { weight: 6, id: 'codeId' },
}

/** Any mutation. */
export const draws: fc.Arbitrary<Draw> = fc.oneof(
  ...MUTATIONS.map((mutation) => {
    const { weight, needs = [], fields = [] } = SHAPES[mutation]
    const drawn = (names: readonly Field[]) => Object.fromEntries(names.map((name) => [name, FIELDS[name]]))
    const needed = fc
      .record(drawn(needs))
      .map((said) => Object.fromEntries(needs.map((name) => [name, said[name] ?? NEEDED[name]])))
    const asked = fc.record(drawn(fields), optional)
    const shape = {
      mutation: fc.constant(mutation),
      fields: fc.tuple(needed, asked).map(([must, may]) => ({ ...may, ...must })),
      who: numbers,
      pick: numbers,
      version: fc.constantFrom(null, null, null, null, null, null, 0, 0, 1),
      once: fc.boolean(),
    }
    return { weight, arbitrary: fc.record(shape) }
  }),
)

export type Draw = {
  readonly mutation: Mutation
  readonly fields: Partial<Record<Field, unknown>>
  readonly who: number
  readonly pick: number
  /** How far `expectedVersion` is from the real one; null: not given. */
  readonly version: number | null
  readonly once: boolean
}
