// One sentence for each kind of event, for people who review what happened: who did what to which thing, and what that means from
// then on. A new kind that has none doesn't compile.
import { unreachable } from '#domain/invariant.ts'
import type { CodeSlot, KeyCreated, KeyRotated, RevocationReason } from '#domain/key/events.ts'
import type { LinkDetails } from '#domain/link/events.ts'
import type { PolicyUpdated } from '#domain/policy/events.ts'
import type { AnyFact } from '#domain/streams.ts'
import type { UserUpdated } from '#domain/user/events.ts'
import { changesIn, listOf, policiesOf, rulesIn } from './summary-phrases.ts'
import { ERASED_USER } from './user-label.ts'

export type SubjectLabels = {
  /** The name that the account, keyspace, key or policy bore from then on; what a user is called now, and the key of a link, unless that has ended. */
  readonly subject: string
  /** The name before: another one where it was renamed. */
  readonly formerly?: string | undefined
  /** Which personal values of a user the event told, by name. */
  readonly personal?: readonly string[] | undefined
}

/** Labels of all but the subject are as they are on reading. */
export type Labels = SubjectLabels & {
  readonly actor: string
  /** The hint of the code that the event names by its id only; null where it names none. */
  readonly hint: string | null
  /** Where that code is, if it is known. */
  readonly slot?: CodeSlot | undefined
  /** Whether that code had been replaced by then. */
  readonly isReplaced?: boolean | undefined
  /** The other code that a rotation ended, whose overlap ran, and until when that was to run. */
  readonly alsoEnded?: { readonly hint: string; readonly until: string } | undefined
  /** What to call other things that the event names (`idsNamedBy`); those without a name go by their ids. */
  readonly names?: ReadonlyMap<string, string>
}

/** For example `root created key nightly export in keyspace main`, without a full stop. */
export function summaryOf(fact: AnyFact, labels: Labels): string {
  return `${labels.actor} ${predicateOf(fact, labels)}`
}

function predicateOf(fact: AnyFact, labels: Labels): string {
  const { subject, names = new Map<string, string>() } = labels
  const code = codeNamed(labels)
  switch (fact.type) {
    case 'account.created':
      return `created account ${fact.data.name}`
    case 'account.updated':
      return changed('account', labels, '')
    case 'keyspace.created':
      return `created keyspace ${fact.data.name}${fact.data.management ? ', whose keys are the credentials of this API' : ''}`
    case 'keyspace.updated':
      return changed('keyspace', labels, rulesIn(fact.data))
    case 'keyspace.deleted':
      return `deleted keyspace ${subject} for good`
    case 'policy.created':
      return `created policy ${fact.data.name}, which grants ${listOf(fact.data.permissions, 'nothing')}${endpointsOf(fact.data.endpoints)}`
    case 'policy.updated':
      return policyUpdated(fact, labels)
    case 'policy.deleted':
      return `deleted policy ${subject} for good`
    case 'key.created':
      return keyCreated(fact, names)
    case 'key.updated':
      return changed('key', labels, changesIn(fact.data, names))
    case 'key.frozen':
      return `froze what key ${subject} grants, whatever becomes of its policies`
    case 'key.enabled':
      return `switched on key ${subject}, whose codes may be used again`
    case 'key.disabled':
      return `switched off key ${subject}, which opens nothing until it is switched on again`
    case 'key.revoked':
      return `revoked key ${subject}${REASONS[fact.data.reason]}${noted(fact.data.note)}; all its codes stopped at once and for good`
    case 'key.deleted':
      return `deleted key ${subject} for good; its history stays`
    case 'key.rotated':
      return keyRotated(fact, labels)
    case 'code.issued':
      return `issued ${fact.data.slot} code ${fact.data.hint} to key ${subject}, ${expiryOf(fact.data.expiresAt)}`
    case 'code.updated':
      return fact.data.description === null
        ? `took away the description of ${code} of key ${subject}`
        : `described ${code} of key ${subject} as “${fact.data.description}”`
    case 'code.enabled':
      return `switched on ${code} of key ${subject}, which may be used again`
    case 'code.disabled':
      return labels.isReplaced
        ? `switched off ${code} of key ${subject}, which ended the overlap in which it still worked: it opens nothing any more, for good`
        : `switched off ${code} of key ${subject}, which opens nothing while it is off`
    case 'code.deleted':
      return `deleted ${code} of key ${subject}, which opens nothing any more`
    case 'code.revealed':
      return `was shown the secret of ${code} of key ${subject}`
    case 'key.linked':
      return keyLinked(fact.data, subject, names)
    case 'link.updated':
      return `changed linked key ${subject}: ${changesIn(fact.data, names)}`
    case 'key.unlinked':
      return `unlinked key ${subject}, which opens nothing here any more`
    case 'user.added':
      return `added ${userNamed(subject)} as ${fact.data.role}, who may do ${listOf(fact.data.permissions, 'nothing')} in the application`
    case 'user.updated':
      return userUpdated(fact, labels)
    case 'user.removed':
      return `removed ${userNamed(subject)} for good`
    case 'user.erased':
      return 'erased a user for good: who they were is kept no more'
    default:
      return unreachable(fact)
  }
}

/** The id of the code whose hint the summary of an event wants; null for those that name none. */
export function codeNamedBy(fact: AnyFact): string | null {
  if ('codeId' in fact.data && !('hint' in fact.data)) return fact.data.codeId
  return 'retiredCodeId' in fact.data ? fact.data.retiredCodeId : null
}

/** The ids of the other things whose names it wants: keyspaces, policies and users. */
export function idsNamedBy({ data }: AnyFact): readonly string[] {
  return [
    ...('keyspaceId' in data && data.keyspaceId !== null ? [data.keyspaceId] : []),
    ...('policyIds' in data ? policiesOf(data.policyIds ?? []) : []),
    ...('ownerId' in data && data.ownerId != null ? [data.ownerId] : []),
    ...('actsAsId' in data && data.actsAsId != null ? [data.actsAsId] : []),
  ]
}

const REASONS: { readonly [Reason in RevocationReason]: string } = {
  UNSPECIFIED: '',
  KEY_COMPROMISE: ' because a secret may be known to others',
  SUPERSEDED: ' because another one has taken its place',
  AFFILIATION_CHANGED: ' because whoever it was for has left or changed',
  PRIVILEGE_WITHDRAWN: ' because what it grants is no longer to be granted',
  CESSATION_OF_OPERATION: ' because what it was used for has ended',
}

function noted(note: string | null): string {
  return note === null ? '' : ` (“${note}”)`
}

function keyCreated({ data }: KeyCreated, names: ReadonlyMap<string, string>): string {
  const { name, keyspaceId, ownerId, actsAsId, policyIds, permissions, expiresAt, enabled, isDefault } = data
  const called = (id: string) => names.get(id) ?? id
  const grants = [
    ...(policyIds.length === 0 ? [] : [`policies ${listOf(policyIds.map(called), '')}`]),
    ...(permissions.length === 0 ? [] : [`permissions ${listOf(permissions, '')}`]),
  ]
  return [
    `created ${isDefault ? 'default ' : ''}key ${name} in keyspace ${called(keyspaceId)}`,
    ...(ownerId === null ? [] : [` for ${called(ownerId)}`]),
    ...(grants.length === 0 ? [' without policies and permissions'] : [` with ${grants.join(' and ')}`]),
    ...(actsAsId === null || actsAsId === ownerId ? [] : [`, acting as ${called(actsAsId)}`]),
    ...(expiresAt === null ? [] : [`, ${expiryOf(expiresAt)}`]),
    ...(enabled ? [] : [', switched off as yet']),
  ].join('')
}

function keyRotated({ data }: KeyRotated, { subject, hint, alsoEnded }: Labels): string {
  const { replacement, overlapEndsAt } = data
  const { slot, hint: newHint } = replacement
  const end = overlapEndsAt === null ? 'stopped at once' : `may still be used until ${overlapEndsAt}`
  const too = overlapEndsAt === null ? ' too' : ''
  const also = alsoEnded ? `; ${alsoEnded.hint}, which was to work until ${alsoEnded.until}, stopped at once${too}` : ''
  return (
    `rotated the ${slot} code of key ${subject}; the old one, ${hint}, ${end}, ` +
    `the new one is ${newHint}, ${expiryOf(replacement.expiresAt)}${also}`
  )
}

/** A renamed thing is told by both names, as it was then, and what else changed of it after that. */
function changed(kind: string, { subject, formerly = subject }: Labels, changes: string): string {
  if (formerly !== subject)
    return `renamed ${kind} ${formerly} to ${subject}${changes === '' ? '' : `, and changed it: ${changes}`}`
  return `changed ${kind} ${subject}${changes === '' ? '' : `: ${changes}`}`
}

function userNamed(subject: string): string {
  return subject === ERASED_USER ? subject : `user ${subject}`
}

/** What they were called is not told, then or now. */
function userUpdated({ data }: UserUpdated, { subject, personal = [], names }: Labels): string {
  const changes = changesIn(data, names ?? new Map())
  if (changes === '') return `changed the display name of ${userNamed(subject)}`
  const renamed = personal.includes('displayName') ? '; and the display name' : ''
  return `changed ${userNamed(subject)}: ${changes}${renamed}`
}

function policyUpdated({ data }: PolicyUpdated, labels: Labels): string {
  const grants = data.permissions !== undefined || data.endpoints !== undefined
  const since = grants ? '; keys and links that hold it grant that at once, unless they are frozen' : ''
  return `${changed('policy', labels, changesIn(data, new Map()))}${since}`
}

function keyLinked(
  { keyspaceId, policyIds }: LinkDetails,
  subject: string,
  names: ReadonlyMap<string, string>,
): string {
  const called = (id: string) => names.get(id) ?? id
  const into = keyspaceId === null ? 'all of the account' : `keyspace ${called(keyspaceId)}`
  return `linked key ${subject}, which is another account's, into ${into} with policies ${listOf(policyIds.map(called), 'none')}`
}

function codeNamed({ hint, slot }: Labels): string {
  return slot === undefined ? `code ${hint}` : `${slot} code ${hint}`
}

function endpointsOf(endpoints: readonly unknown[]): string {
  if (endpoints.length === 0) return ''
  return endpoints.length === 1 ? ' at one endpoint' : ` at ${endpoints.length} endpoints`
}

function expiryOf(expiresAt: string | null): string {
  return expiresAt === null ? 'which never expires' : `which expires at ${expiresAt}`
}
