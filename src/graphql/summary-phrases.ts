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

/** How the fields of things are called, and their values where these are short. */
const FIELDS = new Map<string, readonly [name: string, told: 'told' | 'named' | 'list' | 'untold']>([
  ['description', ['description', 'untold']],
  ['tags', ['tags', 'list']],
  ['metadata', ['metadata', 'untold']],
  ['policyIds', ['policies', 'named']],
  ['permissions', ['permissions', 'list']],
  ['endpoints', ['endpoints', 'untold']],
  ['ownerId', ['owner', 'named']],
  ['actsAsId', ['user it acts as', 'named']],
  ['expiresAt', ['expiry', 'told']],
  ['logging', ['logging of bodies', 'untold']],
  ['role', ['role', 'told']],
])

/** Empty where nothing but the name changed, which the sentence tells by itself. */
export function changesIn(data: object, names: Names): string {
  const others = Object.entries(data).filter(([field]) => field !== 'name')
  const changes = others.map(([field, value]) => {
    const [name, told] = FIELDS.get(field) ?? [field, 'untold']
    if (told === 'untold') return value === null ? `${name} taken away` : `${name} changed`
    const values = (Array.isArray(value) ? value : value === null ? [] : [value]).map(String)
    const called = told === 'named' ? values.map((id) => names.get(id) ?? id) : values
    return `${name} now ${listOf(called, 'none')}`
  })
  return changes.join('; ')
}

/** Those of a keyspace, as people call them. */
const RULES: { readonly [Rule in keyof KeyspaceRules]: string } = {
  prefix: 'prefix',
  activeKeysMax: 'limit of active keys',
  liveCodesMax: 'limit of live codes',
  codesAtCreation: 'number of first codes',
  codeLifetimeDays: 'usual days that codes last',
  codeLifetimeDaysMax: 'most days that codes last',
  expiryRequired: 'need for an expiry',
  secretDisplay: 'showing of secrets',
  customSecrets: "callers' own secrets",
  authorizations: 'authorizations',
  policyRequired: 'need for a policy',
  codeDeletion: 'deletion of codes',
  defaultKeys: 'default keys',
  defaultKeyName: 'name of default keys',
  managedBy: 'managers of keys',
  upstreamUserRequired: 'need for an upstream user',
  presentations: 'presentations',
}

/** The same of the rules of a keyspace. */
export function rulesIn({ rules = {} }: KeyspaceUpdated['data']): string {
  const called = new Map<string, string>(Object.entries(RULES))
  const changes = Object.entries(rules).map(([rule, value]) => `${called.get(rule) ?? rule} ${ruleValue(value)}`)
  const lost = rules.secretDisplay === 'ONCE' ? ', so that none that was kept can be shown again' : ''
  return `${changes.join('; ')}${lost}`
}

function ruleValue(value: unknown): string {
  if (typeof value === 'boolean') return value ? 'now on' : 'now off'
  if (value === null) return 'now none'
  return typeof value === 'object' ? 'changed' : `now ${value}`
}
