// linkKey: lets another account's key in, under policies of this account.
import { z } from 'zod'
import { statement } from '#database/connect.ts'
import { kindOf, shardOf } from '#domain/ids.ts'
import { decideLink } from '#domain/link/decide.ts'
import { newStream } from '#domain/streams.ts'
import { newId } from '#secret/ids.ts'
import { type Command, type DecideStep, type LocateStep, notFound, streamOf } from './command.ts'
import { policiesIn, policyIdsIn } from './held-policies.ts'
import { idempotent, idInput, policyIdsInput } from './input.ts'
import { isLinkedInto } from './link-command.ts'

const input = z.object({
  accountId: idInput,
  keyId: idInput,
  keyspaceId: idInput.nullish(),
  policyIds: policyIdsInput,
  ...idempotent,
})

export const linkKey: Command<z.infer<typeof input>, { readonly linkId: string }> = {
  name: 'linkKey',
  permission: 'links.write',
  input,
  async locate(step, { accountId, keyspaceId, policyIds }) {
    if (kindOf(accountId) !== 'acct') return { notFound: accountId }
    const keyspaceIds = keyspaceId && kindOf(keyspaceId) === 'ks' ? [keyspaceId] : []
    const needed = await streamsAmong(step, accountId, [...keyspaceIds, ...policyIdsIn(policyIds)])
    // The account's exclusively, because a key is linked into it once.
    const locks = [{ id: accountId, exclusive: true }, ...needed.map((id) => ({ id, exclusive: false }))]
    return { accountId, subjectId: accountId, namedId: accountId, locks }
  },
  async decide(step, { accountId, keyId, keyspaceId = null, policyIds }) {
    if (keyspaceId !== null && !takesLinks(step, keyspaceId)) return notFound(keyspaceId)
    const held = policiesIn(step, policyIds)
    if ('missing' in held) return notFound(held.missing)
    const [ownerId, alreadyLinked] = await Promise.all([
      ownerOfLinkable(step, keyId),
      isLinkedInto(step.transaction, accountId, keyId),
    ])
    if (ownerId === undefined) return notFound(keyId)
    const stream = newStream('link', newId('lnk', step.shard), accountId)
    const details = { keyId, keyspaceId, policyIds }
    const ownKey = ownerId === accountId
    const decision = decideLink({ type: 'LinkKey', details, ownKey, alreadyLinked }, stream.state)
    if (decision.kind === 'refused') return decision
    return { kind: 'accepted', changes: [{ stream, facts: decision.facts }], result: { linkId: stream.id } }
  },
}

/** Those of the ids that are streams of the account. Asked before the locks, so that no other account's is ever locked. */
async function streamsAmong(
  { transaction }: LocateStep,
  accountId: string,
  ids: readonly string[],
): Promise<readonly string[]> {
  const rows = await transaction.run(
    statement<{ stream_id: string }>(
      'SELECT stream_id FROM log.stream WHERE shard = $1 AND account_id = $2 AND stream_id = ANY ($3)',
      [shardOf(accountId), accountId, ids],
    ),
  )
  return rows.map(({ stream_id }) => stream_id)
}

function takesLinks(step: DecideStep, keyspaceId: string): boolean {
  const keyspace = kindOf(keyspaceId) === 'ks' ? streamOf(step, 'keyspace', keyspaceId)?.state : undefined
  return keyspace?.status === 'active' && !keyspace.management
}

/**
 * The account of a key that may be linked; undefined where there is none, or none any more. Not locked, as it may lie in another
 * shard: a link that is made while its key is being revoked opens nothing either.
 */
async function ownerOfLinkable({ transaction }: DecideStep, keyId: string): Promise<string | undefined> {
  if (kindOf(keyId) !== 'key') return undefined
  // Tables in the order in which everyone locks them: see #state/rebuild.ts.
  const [row] = await transaction.run(
    statement<{ account_id: string }>(
      `SELECT k.account_id FROM state.keyspace s JOIN state.key k USING (shard, keyspace_id)
        WHERE k.shard = $1 AND k.key_id = $2 AND k.revoked_at IS NULL AND k.deleted_at IS NULL AND NOT s.management`,
      [shardOf(keyId), keyId],
    ),
  )
  return row?.account_id
}
