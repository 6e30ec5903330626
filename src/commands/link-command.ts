// What the commands about links have in common: how a link is found, and whether an account has one of a key.
import { statement } from '#database/connect.ts'
import type { Reading } from '#database/transaction.ts'
import { kindOf, shardOf } from '#domain/ids.ts'
import { invariant } from '#domain/invariant.ts'
import type { Stream } from '#domain/streams.ts'
import { type DecideStep, type LocateStep, streamOf } from './command.ts'
import { policiesAmong, policyIdsIn } from './held-policies.ts'

type FoundLink = {
  readonly account_id: string
  /** Those of the given ids that are policies of the account. */
  readonly policy_ids: readonly string[]
}

/** Where a link lies, which never changes. Read from the log: state tables are locked in an order of their own. */
export async function findLink(
  { transaction }: LocateStep,
  linkId: string,
  policyIds: readonly string[] = [],
): Promise<FoundLink | undefined> {
  if (kindOf(linkId) !== 'lnk') return undefined
  const [row] = await transaction.run(
    statement<FoundLink>(
      `SELECT l.account_id, ${policiesAmong('$3', 'l.shard', 'l.account_id')} AS policy_ids
         FROM log.stream l WHERE l.shard = $1 AND l.stream_id = $2`,
      [shardOf(linkId), linkId, policyIdsIn(policyIds)],
    ),
  )
  return row
}

export function linkStreamOf(step: DecideStep, linkId: string): Stream<'link'> {
  const stream = streamOf(step, 'link', linkId)
  invariant(stream !== undefined, 'a located link is locked')
  return stream
}

/** Whether the account has a link of the key, into whichever of its keyspaces. Exact under the account's lock. */
export async function isLinkedInto(transaction: Reading, accountId: string, keyId: string): Promise<boolean> {
  if (kindOf(keyId) !== 'key') return false
  const rows = await transaction.run(
    statement('SELECT 1 FROM state.link WHERE shard = $1 AND account_id = $2 AND key_id = $3 AND unlinked_at IS NULL', [
      shardOf(accountId),
      accountId,
      keyId,
    ]),
  )
  return rows.length > 0
}
