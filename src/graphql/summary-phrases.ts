// What changed beside the name, in words: `tags now a and b; limit of active keys now 20`.
import type { KeyspaceUpdated } from '#domain/keyspace/events.ts'
import type { KeyspaceRules } from '#domain/keyspace/rules.ts'

/** Longer lists are told by their beginning. */
const NAMES_MAX = 5

/** Those of which a sentence tells the names. */
export function policiesOf(policyIds: readonly string[]): readonly string[] {
  return policyIds.slice(0, NAMES_MAX)
}

export function listOf(names: readonly string[], none: string): string {
  if (names.length > NAMES_MAX) return `${names.slice(0, NAMES_MAX).join(', ')} and ${names.length - NAMES_MAX} more`
  const last = names.at(-1) ?? none
  return names.length < 2 ? last : `${names.slice(0, -1).join(', ')} and ${last}`
}

type Names = ReadonlyMap<string, string>

/** How the fields of things are called, and their values where these are short; what matters most is told first. */
const FIELDS = new Map<string, readonly [name: string, told: 'told' | 'named' | 'list' | 'untold']>([
  ['role', ['role', 'told']],
  ['permissions', ['permissions', 'list']],
  ['policyIds', ['policies', 'named']],
  ['endpoints', ['endpoints', 'untold']],
  ['expiresAt', ['expiry', 'told']],
  ['ownerId', ['owner', 'named']],
  ['actsAsId', ['user it acts as', 'named']],
  ['description', ['description', 'untold']],
  ['tags', ['tags', 'list']],
  ['metadata', ['metadata', 'untold']],
  ['logging', ['logging of bodies', 'untold']],
])

/** Empty where nothing but the name changed, which the sentence tells by itself. */
export function changesIn(data: object, names: Names): string {
  const others = inOrderOf([...FIELDS.keys()], data).filter(([field]) => field !== 'name')
  const changes = others.map(([field, value]) => {
    const [name, told] = FIELDS.get(field) ?? [field, 'untold']
    if (told === 'untold') return value === null ? `${name} taken away` : `${name} changed`
    const values = (Array.isArray(value) ? value : value === null ? [] : [value]).map(String)
    const called = told === 'named' ? values.map((id) => names.get(id) ?? id) : values
    return `${name} now ${listOf(called, 'none')}`
  })
  return changes.join('; ')
}

/** Of one object, in an order of their own: that of a fact is another before it is stored than after. */
function inOrderOf(fields: readonly string[], data: object): readonly (readonly [field: string, value: unknown])[] {
  const place = (field: string) => (fields.includes(field) ? fields.indexOf(field) : fields.length)
  return Object.entries(data).toSorted(([a], [b]) => place(a) - place(b) || (a < b ? -1 : 1))
}

/** Those of a keyspace, as people call them; told in this order. */
const RULES: { readonly [Rule in keyof KeyspaceRules]: string } = {
  managedBy: 'managers of keys',
  authorizations: 'authorizations',
  policyRequired: 'need for a policy',
  upstreamUserRequired: 'need for an upstream user',
  expiryRequired: 'need for an expiry',
  codeLifetimeDays: 'usual days that codes last',
  codeLifetimeDaysMax: 'most days that codes last',
  activeKeysMax: 'limit of active keys',
  liveCodesMax: 'limit of live codes',
  codesAtCreation: 'number of first codes',
  secretDisplay: 'showing of secrets',
  customSecrets: "callers' own secrets",
  codeDeletion: 'deletion of codes',
  defaultKeys: 'default keys',
  defaultKeyName: 'name of default keys',
  prefix: 'prefix',
  presentations: 'presentations',
}

/** The same of the rules of a keyspace. */
export function rulesIn({ rules = {} }: KeyspaceUpdated['data']): string {
  const called = new Map<string, string>(Object.entries(RULES))
  const changes = inOrderOf(Object.keys(RULES), rules).map(
    ([rule, value]) => `${called.get(rule) ?? rule} ${ruleValue(value)}`,
  )
  const lost = rules.secretDisplay === 'ONCE' ? ', so that none that was kept can be shown again' : ''
  return `${changes.join('; ')}${lost}`
}

function ruleValue(value: unknown): string {
  if (typeof value === 'boolean') return value ? 'now on' : 'now off'
  if (value === null) return 'now none'
  return typeof value === 'object' ? 'changed' : `now ${value}`
}
