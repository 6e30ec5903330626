// Keys from before their keyspace was frozen keep what their policies grant when it is, for good: all of them before the change is
// answered, and those that are left where a process ended, or others were in the way, before it was done. In events it is the system's
// doing: nobody asked for this very key.
import { z } from 'zod'
import { statement } from '#database/connect.ts'
import type { Reading } from '#database/transaction.ts'
import type { PolicyGrant } from '#domain/grant.ts'
import { knownShardOf } from '#domain/ids.ts'
import { invariant } from '#domain/invariant.ts'
import { decideKey } from '#domain/key/decide.ts'
import type { ExistingKey } from '#domain/key/state.ts'
import type { KeyspaceRules } from '#domain/keyspace/rules.ts'
import { STREAM_MOVED_ON } from '#log/append.ts'
import { type Change, type Command, type CommandServices, type DecideStep, streamOf } from './command.ts'
import { type Completed, type Completion, type CompletionOptions, complete } from './completion.ts'
import { FROZEN_BYTES_MAX, policyIn } from './held-policies.ts'
import { idempotent, idInput } from './input.ts'
import { accountOfKeyspace, keyspaceStreamOf } from './keyspace-command.ts'

const input = z.object({ keyspaceId: idInput, keyIds: z.array(idInput), ...idempotent })

/** For some keys of one keyspace; nothing for those that are frozen already or revoked, or where the keyspace has the rule no more. */
const freezeSome: Command<z.infer<typeof input>, { readonly made: number }> = {
  name: 'freezeKeys',
  permission: 'root',
  input,
  async locate(step, { keyspaceId, keyIds }) {
    const accountId = await accountOfKeyspace(step, keyspaceId)
    if (accountId === undefined) return { notFound: keyspaceId }
    // The keyspace and the policies: neither the rule nor what is kept changes meanwhile.
    const held = [keyspaceId, ...(await policiesOf(step.transaction, keyspaceId, keyIds))]
    const locks = [...keyIds.map((id) => ({ id, exclusive: true })), ...held.map((id) => ({ id, exclusive: false }))]
    return { accountId, subjectId: keyspaceId, namedId: keyspaceId, locks }
  },
  async decide(step, { keyspaceId, keyIds }) {
    const keyspace = keyspaceStreamOf(step, keyspaceId).state
    const changes = keyspace.status === 'active' ? keyIds.map((keyId) => frozen(step, keyspace.rules, keyId)) : []
    const made = changes.filter(({ facts }) => facts.length > 0)
    return { kind: 'accepted', changes: made, result: { made: made.length } }
  },
}

async function policiesOf(
  transaction: Reading,
  keyspaceId: string,
  keyIds: readonly string[],
): Promise<readonly string[]> {
  const rows = await transaction.run(
    statement<{ policy_id: string }>(
      'SELECT DISTINCT unnest(policy_ids) AS policy_id FROM state.key WHERE shard = $1 AND key_id = ANY ($2)',
      [knownShardOf(keyspaceId), keyIds],
    ),
  )
  return rows.map(({ policy_id }) => policy_id)
}

function frozen(step: DecideStep, rules: KeyspaceRules, keyId: string): Change<'key'> {
  const stream = streamOf(step, 'key', keyId)
  invariant(stream !== undefined && stream.state.status !== 'none', 'a key that was found is there')
  const policies = inParts(heldBy(step, stream.state))
  const decision = decideKey({ type: 'FreezeKey', rules, policies }, stream.state)
  invariant(decision.kind === 'accepted', 'what is not to be frozen is left alone')
  return { stream, facts: decision.facts, actor: { kind: 'SYSTEM', id: null } }
}

/** Starts the command over where the key got another policy between looking and locking, the rule having been off for a moment. */
function heldBy(step: DecideStep, { policyIds }: ExistingKey): readonly PolicyGrant[] {
  return policyIds.flatMap((id) => {
    if (!step.streams.has(id))
      throw Object.assign(new Error('The key was given a policy meanwhile'), { code: STREAM_MOVED_ON })
    return policyIn(step, id) ?? []
  })
}

/** Each as large as an event can hold. A policy alone is never larger: it was in an event itself. */
function inParts(policies: readonly PolicyGrant[]): readonly (readonly PolicyGrant[])[] {
  const parts: PolicyGrant[][] = [[]]
  let bytes = 0
  for (const policy of policies) {
    const size = Buffer.byteLength(JSON.stringify(policy)) + 1
    if (bytes > 0 && bytes + size > FROZEN_BYTES_MAX) {
      parts.push([])
      bytes = 0
    }
    parts.at(-1)?.push(policy)
    bytes += size
  }
  return parts
}

type Key = { readonly key_id: string; readonly version: number }

/** Whoever uses such a key waits for its part: not for long. */
const PART_KEYS = 100
/** All events of a part's keys are read under its locks. */
const PART_EVENTS = 5_000

export const FREEZING: Completion<Key> = {
  rule: `s.rules ->> 'authorizations' = 'FROZEN' AND s.deleted_at IS NULL`,
  applies: ({ authorizations }) => authorizations === 'FROZEN',
  missing: ({ shard, keyspace_id: keyspaceId }, after, limit) =>
    statement(KEYS_NOT_FROZEN, [shard, keyspaceId, after?.key_id ?? '', limit]),
  parts: partsOf,
  make: ({ keyspace_id: keyspaceId }, part, run) =>
    run(freezeSome, { keyspaceId, keyIds: part.map(({ key_id }) => key_id) }),
  // One after the other: between two of them, who waits to edit a policy that all of them hold, or the keyspace, has their turn.
  atOnce: 1,
}

export const KEYS_NOT_FROZEN = `SELECT key_id, version FROM state.key
  WHERE shard = $1 AND keyspace_id = $2 AND frozen_policies IS NULL AND revoked_at IS NULL AND key_id > $3
  ORDER BY key_id LIMIT $4`

function partsOf(keys: readonly Key[]): readonly (readonly Key[])[] {
  const parts: Key[][] = []
  let events = 0
  for (const key of keys) {
    const part = parts.at(-1)
    if (part === undefined || part.length === PART_KEYS || events + key.version > PART_EVENTS) {
      parts.push([key])
      events = key.version
    } else {
      part.push(key)
      events += key.version
    }
  }
  return parts
}

/** Freezes those that are not, in one keyspace or in all. */
export function freezeKeys(services: CommandServices, options: CompletionOptions): Promise<Completed> {
  return complete(FREEZING, services, options)
}
