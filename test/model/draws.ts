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
  },
  optional,
)

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
  rules: mostly([true], null).chain((given) => (given === null ? fc.constant(null) : rules)),
  slot: slots,
  secret: secrets,
  overlapSeconds: mostly([0, 1, 60, 3_600, 2_592_000], 2_592_001, -1),
}
type Field = keyof typeof FIELDS

type Shape = {
  readonly weight: number
  readonly id?: IdField
  readonly name?: true
  readonly fields?: readonly Field[]
}
export type IdField = 'accountId' | 'keyspaceId' | 'keyId' | 'codeId'

const DETAILS = ['description', 'tags', 'metadata', 'permissions', 'expiresAt'] as const
const NEW_CODE = ['slot', 'expiresAt', 'secret', 'description'] as const

/** How often a mutation comes, what it is about, whether it needs a name, and what else it may say. */
export const SHAPES: { readonly [Name in Mutation]: Shape } = {
  createAccount: { weight: 1, name: true },
  updateAccount: { weight: 1, id: 'accountId', fields: ['name'] },
  createKeyspace: { weight: 1, id: 'accountId', name: true, fields: ['rules'] },
  updateKeyspace: { weight: 2, id: 'keyspaceId', fields: ['name', 'rules'] },
  deleteKeyspace: { weight: 1, id: 'keyspaceId' },
  createKey: { weight: 10, id: 'keyspaceId', name: true, fields: [...DETAILS, 'enabled', 'codes'] },
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
}

/** Any mutation. */
export const draws: fc.Arbitrary<Draw> = fc.oneof(
  ...MUTATIONS.map((mutation) => {
    const { weight, name, fields = [] } = SHAPES[mutation]
    const asked = fc.record(Object.fromEntries(fields.map((field) => [field, FIELDS[field]])), optional)
    const shape = {
      mutation: fc.constant(mutation),
      fields: name
        ? fc
            .record({ name: FIELDS.name.map((text) => text ?? 'alpha') })
            .chain((named) => asked.map((more) => ({ ...more, ...named })))
        : asked,
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
