// What the commands about an existing key have in common: found by the key's id or one of its codes', decided under the
// locks of the key and its keyspace, and bound by the rule that nobody mints more than they hold.
import { statement } from '#database/connect.ts'
import type { Reading } from '#database/transaction.ts'
import { type IdKind, kindOf, shardOf } from '#domain/ids.ts'
import { invariant } from '#domain/invariant.ts'
import type { KeyCommand } from '#domain/key/commands.ts'
import { decideKey } from '#domain/key/decide.ts'
import { isDefaultKey } from '#domain/key/default-key.ts'
import type { KeyFact } from '#domain/key/events.ts'
import type { ExistingKey } from '#domain/key/state.ts'
import type { KeyspaceRules } from '#domain/keyspace/rules.ts'
import { confinedTo, sees } from '#domain/member.ts'
import type { ManagementPermission } from '#domain/permission.ts'
import type { Stream } from '#domain/streams.ts'
import { KEYSPACE_LIMITED } from './active-keys.ts'
import {
  type Command,
  type CommonInput,
  type Decided,
  type DecideStep,
  type LocateStep,
  notFound,
  refused,
  streamOf,
} from './command.ts'
import { mayGiveBy, mayHoldAfter, mayStrengthen, strengthens } from './escalation.ts'
import { policiesAmong, policiesIn, policyIdsIn } from './held-policies.ts'
import { type GivenUsers, type HeldUsers, usersAmong, usersIn } from './held-users.ts'
import { isLinkedInto } from './link-command.ts'
import { OWNERSHIP, type Ownership } from './own-keys.ts'
import { refusalOfKey } from './refusal.ts'

export type KeyStep = DecideStep & {
  readonly key: ExistingKey
  readonly rules: KeyspaceRules
  /** Those of `givesUsers`. */
  readonly users: HeldUsers
}

type Subject = { readonly keyId: string } | { readonly codeId: string }

type KeyCommandSpec<Input extends CommonInput, Result> = {
  readonly name: string
  /** `keys.write` unless given. */
  readonly permission?: ManagementPermission
  readonly input: Command<Input, Result>['input']
  subject(input: Input): Subject
  /** Whether it may raise the number of active keys; then a keyspace with a limit is locked exclusively. */
  countsKeys?(input: Input): boolean
  /** Whether it brings a secret of the caller's own; then the keyspace is locked exclusively. */
  bringsSecret?(input: Input): boolean
  /** Policies that the key is to hold: each must exist. */
  givesPolicies?(input: Input): readonly string[]
  /** Users whom the key is to belong to and to act as: each must be there. */
  givesUsers?(input: Input): GivenUsers
  /** Whether it may return, revive or strengthen a credential, as against ending or describing one. */
  readonly strengthens: boolean
  /** Whether it issues a code. Then whoever has linked the key is told that they get none, rather than that there is no such key. */
  readonly issues?: true
  ask(step: KeyStep, input: Input): Asked<Result> | Promise<Asked<Result>>
  /** What else happens where it ends a default key: the user whose it is, is locked too. */
  endsDefaultKey?(step: KeyStep, result: Result): Promise<Ended<Result>>
}

export type Ended<Result> = Omit<Extract<Decided<Result>, { kind: 'accepted' }>, 'kind'>

type Asked<Result> = Omit<Extract<Decided<Result>, { kind: 'accepted' }>, 'kind' | 'changes'> & {
  readonly command: KeyCommand
}

export function keyCommand<Input extends CommonInput, Result>(
  spec: KeyCommandSpec<Input, Result>,
): Command<Input, Result> {
  return {
    name: spec.name,
    permission: spec.permission ?? 'keys.write',
    heedsOwners: true,
    input: spec.input,
    async locate(step, input) {
      const subject = spec.subject(input)
      const id = 'keyId' in subject ? subject.keyId : subject.codeId
      const given = policyIdsIn(spec.givesPolicies?.(input) ?? [])
      const found = await find(step.transaction, 'keyId' in subject ? 'key' : 'code', id, given)
      if (spec.issues && (await isOnlyLinked(step, found, id))) return { refusal: { code: 'LINKED_KEY_HAS_NO_CODES' } }
      if (found === undefined) return { notFound: id }
      const { caller } = step.origin
      if (!sees(caller, found.owner_id, { managedBy: found.managed_by })) return { notFound: id }
      const counts = found.limited && (spec.countsKeys?.(input) ?? false)
      const exclusive = counts || (spec.bringsSecret?.(input) ?? false)
      const users = await usersAmong(step, found.account_id, spec.givesUsers?.(input) ?? {})
      const guarded = spec.strengthens && (found.management || confinedTo(caller) !== null)
      const weighed = guarded ? [...found.policy_ids, ...found.acts_as_ids] : []
      const owners = spec.endsDefaultKey === undefined ? [] : found.default_of_ids
      const shared = new Set([...found.given_policy_ids, ...users, ...weighed, ...owners])
      return {
        accountId: found.account_id,
        subjectId: found.key_id,
        namedId: id,
        locks: [
          { id: found.key_id, exclusive: true },
          { id: found.keyspace_id, exclusive },
          ...[...shared].map((held) => ({ id: held, exclusive: false })),
        ],
      }
    },
    decide: (step, input) => decide(spec, step, input),
  }
}

/** Whether the key is another account's that the caller's has linked. Asked alike of what does not exist. */
async function isOnlyLinked(
  { transaction, origin: { caller } }: LocateStep,
  found: Found | undefined,
  keyId: string,
): Promise<boolean> {
  // To a MEMBER there are no links either.
  if (caller.kind === 'ROOT' || confinedTo(caller) !== null || found?.account_id === caller.accountId) return false
  return isLinkedInto(transaction, caller.accountId, keyId)
}

async function decide<Input extends CommonInput, Result>(
  spec: KeyCommandSpec<Input, Result>,
  step: DecideStep,
  input: Input,
): Promise<Decided<Result>> {
  const stream = keyStreamOf(step)
  const key = stream.state
  invariant(key.status !== 'none', 'a located key exists')
  const keyspace = streamOf(step, 'keyspace', key.keyspaceId)?.state
  invariant(keyspace !== undefined && keyspace.status !== 'none', 'the keyspace of a key exists')
  // Anew, under the locks: it may have become another's.
  if (!sees(step.origin.caller, key.ownerId, keyspace.rules)) return notFound(step.namedId)
  const given = policiesIn(step, spec.givesPolicies?.(input) ?? [])
  if ('missing' in given) return notFound(given.missing)
  const users = await usersIn(step, spec.givesUsers?.(input) ?? {})
  if ('refusal' in users) return refused(users.refusal)
  const keyStep = { ...step, key, rules: keyspace.rules, users }
  const { command, ...answer } = await spec.ask(keyStep, input)
  const decision = decideKey(command, key)
  if (decision.kind === 'refused') return refused(refusalOfKey(decision.refusal))
  const { facts } = decision
  const asksForMore = spec.strengthens && facts.some((fact) => strengthens(key, fact))
  if (asksForMore && exceedsCaller(step, key, facts, keyspace.management))
    return refused({ code: 'GRANT_EXCEEDS_CALLER' })
  const changes = [{ stream, facts }]
  const ends = isDefaultKey(key, keyspace.rules) && facts.some(({ type }) => type === 'key.revoked')
  if (!ends || spec.endsDefaultKey === undefined) return { kind: 'accepted', changes, ...answer }
  const also = await spec.endsDefaultKey(keyStep, answer.result)
  // In this order: the old one is no default key any more when the new one becomes it.
  return { kind: 'accepted', ...also, changes: [...changes, ...also.changes] }
}

function exceedsCaller(step: DecideStep, key: ExistingKey, facts: readonly KeyFact[], management: boolean): boolean {
  if (management) return !mayStrengthen(step, key, facts)
  // Application permissions belong to the application: only a MEMBER is held to their own.
  if (confinedTo(step.origin.caller) === null) return false
  return !mayGiveBy(step, key, facts) || !mayHoldAfter(step, key, facts)
}

function keyStreamOf(step: DecideStep): Stream<'key'> {
  const stream = step.subjectId === null ? undefined : streamOf(step, 'key', step.subjectId)
  invariant(stream !== undefined, 'a located key is locked')
  return stream
}

type Found = Ownership & {
  readonly key_id: string
  readonly keyspace_id: string
  readonly account_id: string
  readonly limited: boolean
  readonly management: boolean
  readonly policy_ids: readonly string[]
  /** One, or none. */
  readonly acts_as_ids: readonly string[]
  /** Whose default key it may be: one user, or none. */
  readonly default_of_ids: readonly string[]
  /** Those of the given ids that are policies of the account. */
  readonly given_policy_ids: readonly string[]
}

// Tables in the order in which everyone locks them: see #state/rebuild.ts.
const COLUMNS = `k.key_id, k.keyspace_id, k.account_id, ${KEYSPACE_LIMITED} AS limited, s.management, k.policy_ids, ${OWNERSHIP},
  array_remove(ARRAY[k.acts_as_id], NULL) AS acts_as_ids,
  CASE WHEN k.is_default THEN ARRAY[k.owner_id] ELSE '{}' END AS default_of_ids,
  ${policiesAmong('$3', 'k.shard', 'k.account_id')} AS given_policy_ids`
const FIND = {
  key: `SELECT ${COLUMNS}
          FROM state.keyspace s JOIN state.key k USING (shard, keyspace_id) WHERE k.shard = $1 AND k.key_id = $2`,
  code: `SELECT ${COLUMNS}
           FROM state.keyspace s JOIN state.key k USING (shard, keyspace_id) JOIN state.code c USING (shard, key_id)
          WHERE c.shard = $1 AND c.code_id = $2`,
}

/** Which key it is and where it lies never changes, so that it may be read before the locks. What it holds may change. */
async function find(
  transaction: Reading,
  kind: IdKind & keyof typeof FIND,
  id: string,
  policyIds: readonly string[],
): Promise<Found | undefined> {
  if (kindOf(id) !== kind) return undefined
  const [row] = await transaction.run(statement<Found>(FIND[kind], [shardOf(id), id, policyIds]))
  return row
}
