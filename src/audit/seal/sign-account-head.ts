// An account's head, signed when it is asked for: how many of its events the newest checkpoint covers. What is signed here is believed
// like a checkpoint, so that nothing is but what stands under one of ours.
import { statement } from '#database/connect.ts'
import type { Reading } from '#database/transaction.ts'
import { type AccountHead, accountHeadText } from '../note/account-head.ts'
import { openCheckpoint } from '../note/signed-checkpoint.ts'
import { signNote } from '../note/signed-note.ts'
import type { SigningKeys } from '../note/signing-key.ts'

export type SignedHead =
  | ({ readonly kind: 'signed'; readonly note: string } & AccountHead)
  /** Nothing is sealed yet. */
  | { readonly kind: 'nothing' }
  /** History is not as it was signed. */
  | { readonly kind: 'refused' }

type Row = {
  readonly origin: string
  readonly refusal: string | null
  readonly size: bigint
  readonly root: Buffer
  readonly note: string
  /** Of the account's last event: by its counter, and of those that are there. */
  readonly counted: bigint | null
  readonly last: bigint | null
  /** Of the last one that is sealed. */
  readonly sealed: bigint | null
}

// The account's positions have no holes and are in the order of the shard's, so that the last one sealed is how many are.
const HEAD = `
  SELECT l.origin, l.refusal, c.size, c.root, c.note, a.position AS counted,
         (SELECT e.position FROM log.event e WHERE e.shard = $1 AND e.account_id = $2 ORDER BY e.position DESC LIMIT 1) AS last,
         (SELECT e.position FROM log.event e
           WHERE e.shard = $1 AND e.account_id = $2 AND e.shard_position <= coalesce(k.shard_position, 0)
           ORDER BY e.position DESC LIMIT 1) AS sealed
    FROM audit.log l
    JOIN audit.checkpoint c ON c.log_number = l.log_number AND c.size = l.size
    LEFT JOIN audit.cursor k ON k.log_number = l.log_number AND k.shard = $1
    LEFT JOIN log.account a ON a.shard = $1 AND a.account_id = $2
   WHERE l.closed_at IS NULL`

/** Of an account that is there, and in this shard. */
export async function signAccountHead(
  { run }: Reading,
  keys: SigningKeys,
  { accountId, shard }: { readonly accountId: string; readonly shard: number },
): Promise<SignedHead> {
  const [row] = await run(statement<Row>(HEAD, [shard, accountId]))
  if (row === undefined) return { kind: 'nothing' }
  if (row.refusal !== null || row.counted !== row.last || !isOurs(row, keys)) return { kind: 'refused' }
  const { origin, root } = row
  const head = { origin, accountId, count: Number(row.sealed ?? 0n), size: Number(row.size), root }
  return { kind: 'signed', ...head, note: signNote(accountHeadText(head), keys.signers(origin)) }
}

/** Size and root as a key of ours has signed them: whoever can write to the database could have them signed here otherwise. */
function isOurs({ origin, size, root, note }: Row, keys: SigningKeys): boolean {
  const checkpoint = openCheckpoint(note, keys.signers(origin))
  return checkpoint?.origin === origin && checkpoint.size === Number(size) && checkpoint.root.equals(root)
}
