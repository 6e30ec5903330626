// One sentence for each kind of event, for people who review what happened. A new kind that has none doesn't compile.
import { unreachable } from '#domain/invariant.ts'
import type { CodeSlot, NewCode, RevocationReason } from '#domain/key/events.ts'
import type { KeyspaceUpdated } from '#domain/keyspace/events.ts'
import type { KeyspaceRules } from '#domain/keyspace/rules.ts'
import type { AnyFact } from '#domain/streams.ts'

/** Labels as they are on reading. */
export type Labels = {
  readonly actor: string
  /** The name that the account, keyspace, key, policy or user bears now; of a link its key's. */
  readonly subject: string
  /** The hint of the code that the event names by its id only; null where it names none. */
  readonly hint: string | null
}

/** For example `root created key nightly export`, without a full stop. */
export function summaryOf(fact: AnyFact, labels: Labels): string {
  return `${labels.actor} ${predicateOf(fact, labels)}`
}

function predicateOf(fact: AnyFact, { subject, hint }: Labels): string {
  switch (fact.type) {
    // As it was called then: what was created or renamed is told by that name.
    case 'account.created':
      return `created account ${fact.data.name}`
    case 'account.updated':
      return `renamed the account to ${fact.data.name}`
    case 'keyspace.created':
      return `created keyspace ${fact.data.name}`
    case 'keyspace.updated':
      return `changed the ${namesOf(keyspaceFields(fact.data))} of keyspace ${subject}`
    case 'keyspace.deleted':
      return `deleted keyspace ${subject}`
    case 'policy.created':
      return `created policy ${fact.data.name}`
    case 'policy.updated':
      return `changed the ${fieldsOf(fact.data)} of policy ${subject}`
    case 'policy.deleted':
      return `deleted policy ${subject}`
    case 'key.created':
      return `created ${fact.data.isDefault ? 'default ' : ''}key ${fact.data.name}`
    case 'key.updated':
      return `changed the ${fieldsOf(fact.data)} of key ${subject}`
    case 'key.frozen':
      return `froze what key ${subject} grants`
    case 'key.enabled':
      return `switched on key ${subject}`
    case 'key.disabled':
      return `switched off key ${subject}`
    case 'key.revoked':
      return `revoked key ${subject}${REASONS[fact.data.reason]}`
    case 'key.deleted':
      return `deleted key ${subject}`
    case 'key.rotated':
      return (
        `rotated ${codeOf(fact.data.replacement.slot, fact.data.replacement.hint)} into key ${subject} in place of ` +
        `${hint}, which ${overlapOf(fact.data.overlapEndsAt)}`
      )
    case 'code.issued':
      return `issued ${codeOf(fact.data.slot, fact.data.hint)} to key ${subject}, ${expiryOf(fact.data)}`
    case 'code.updated':
      return `changed the description of code ${hint} of key ${subject}`
    case 'code.enabled':
      return `switched on code ${hint} of key ${subject}`
    case 'code.disabled':
      return `switched off code ${hint} of key ${subject}`
    case 'code.deleted':
      return `deleted code ${hint} of key ${subject}`
    case 'code.revealed':
      return `was shown the secret of code ${hint} of key ${subject}`
    case 'key.linked':
      return `linked key ${subject}, which is another account's`
    case 'link.updated':
      return `changed the ${fieldsOf(fact.data)} of linked key ${subject}`
    case 'key.unlinked':
      return `unlinked key ${subject}`
    case 'user.added':
      return `added user ${subject} as ${fact.data.role}`
    case 'user.updated':
      return `changed the ${Object.keys(fact.data).length === 0 ? 'display name' : fieldsOf(fact.data)} of user ${subject}`
    case 'user.removed':
      return `removed user ${subject}`
    default:
      return unreachable(fact)
  }
}

/** The id of the code whose hint the summary of an event wants; null for those that name none. */
export function codeNamedBy(fact: AnyFact): string | null {
  if ('codeId' in fact.data && !('hint' in fact.data)) return fact.data.codeId
  return 'retiredCodeId' in fact.data ? fact.data.retiredCodeId : null
}

const REASONS: { readonly [Reason in RevocationReason]: string } = {
  UNSPECIFIED: '',
  KEY_COMPROMISE: ' because a secret may be known to others',
  SUPERSEDED: ' because another one has taken its place',
  AFFILIATION_CHANGED: ' because whoever it was for has left or changed',
  PRIVILEGE_WITHDRAWN: ' because what it grants is no longer to be granted',
  CESSATION_OF_OPERATION: ' because what it was used for has ended',
}

/** Those that people call differently. */
const FIELD_NAMES = new Map([
  ['expiresAt', 'expiry'],
  ['policyIds', 'policies'],
  ['ownerId', 'owner'],
  ['actsAsId', 'user it acts as'],
])

/** Those of a keyspace, as people call them. */
const RULE_NAMES: { readonly [Rule in keyof KeyspaceRules]: string } = {
  prefix: 'prefix',
  activeKeysMax: 'limit of active keys',
  liveCodesMax: 'limit of live codes',
  codesAtCreation: 'number of first codes',
  codeLifetimeDays: 'usual lifetime of codes',
  codeLifetimeDaysMax: 'longest lifetime of codes',
  expiryRequired: 'need for an expiry',
  secretDisplay: 'showing of secrets',
  customSecrets: "callers' own secrets",
  authorizations: 'freezing of authorizations',
  policyRequired: 'need for a policy',
  codeDeletion: 'deletion of codes',
  defaultKeys: 'default keys',
  defaultKeyName: 'name of default keys',
  managedBy: 'managers of keys',
  upstreamUserRequired: 'need for an upstream user',
  presentations: 'presentations',
}

function keyspaceFields({ name, rules = {} }: KeyspaceUpdated['data']): readonly string[] {
  const names = new Map<string, string>(Object.entries(RULE_NAMES))
  return [...(name === undefined ? [] : ['name']), ...Object.keys(rules).map((rule) => names.get(rule) ?? rule)]
}

function fieldsOf(data: object): string {
  return namesOf(Object.keys(data).map((name) => FIELD_NAMES.get(name) ?? name))
}

function namesOf(names: readonly string[]): string {
  const last = names.at(-1) ?? 'details'
  return names.length < 2 ? last : `${names.slice(0, -1).join(', ')} and ${last}`
}

function codeOf(slot: CodeSlot, hint: string): string {
  return `${slot === 'PRIMARY' ? 'primary' : 'secondary'} code ${hint}`
}

function expiryOf({ expiresAt }: NewCode): string {
  return expiresAt === null ? 'which never expires' : `which expires at ${expiresAt}`
}

function overlapOf(overlapEndsAt: string | null): string {
  return overlapEndsAt === null ? 'stopped at once' : `may still be used until ${overlapEndsAt}`
}
