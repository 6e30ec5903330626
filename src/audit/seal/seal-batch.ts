// One batch: what is pending is read, checked, put into the tree and signed, in one transaction that nobody else can seal beside.
import { type Database, statement } from '#database/connect.ts'
import { inTransaction, type Reading } from '#database/transaction.ts'
import type { Instant } from '#domain/instant.ts'
import type { Keyring } from '#secret/keyring.ts'
import { eventEntry, logEntry } from '../entry.ts'
import type { Signer } from '../note/signing-key.ts'
import { type LogRow, loadEdge } from '../store/logs.ts'
import { rootOf } from '../tree/edge.ts'
import { milliseconds } from './begin-log.ts'
import { fence } from './lease.ts'
import { readPending } from './pending.ts'
import { type Leaf, type Sealed, sealLeaves } from './seal-leaves.ts'

/** Between each two a process may be killed, and nothing may come of it. For tests. */
export type SealStep = 'claimed' | 'checked' | 'fenced' | 'read' | 'signed' | 'committed'
export type OnStep = (step: SealStep) => Promise<void>

export type BatchParts = {
  readonly database: Database
  readonly keyring: Keyring
  readonly owner: string
  readonly signers: readonly Signer[]
  readonly onStep: OnStep
}

export type Batch =
  | { readonly kind: 'sealed'; readonly sealed: Sealed; readonly isAll: boolean }
  | { readonly kind: 'nothing' }
  | { readonly kind: 'lost-lease' }
  | { readonly kind: 'refused'; readonly why: string }

/** `log`: as it was when the lease was last seen to be ours, and what its root must still be. */
export function sealBatch(parts: BatchParts, log: LogRow): Promise<Batch> {
  const { database, keyring, owner, signers, onStep } = parts
  return inTransaction(database, async (transaction) => {
    const { run } = transaction
    const [row] = await run(fence(owner, log))
    if (row === undefined) return { kind: 'lost-lease' }
    await onStep('fenced')
    if (row.size !== log.size || !row.root.equals(log.root))
      return { kind: 'refused', why: `the log has ${row.size} entries and not the root that was signed at ${log.size}` }
    const edge = await loadEdge(transaction, row.log_number, Number(row.size))
    if (edge === undefined || !rootOf(edge).equals(row.root))
      return { kind: 'refused', why: 'the tiles are not those of the newest checkpoint' }
    if (!(await hasAllLeaves(transaction, row)))
      return { kind: 'refused', why: 'what is sealed by its cursors is not what has leaves' }
    const pending = await readPending(transaction, keyring, row.log_number)
    if (pending.kind === 'refused') return pending
    await onStep('read')
    const leaves: Leaf[] = [
      ...(await newKeys(transaction, signers, row)),
      ...pending.events.map((event) => ({ entry: eventEntry(event), event })),
    ]
    if (leaves.length === 0) return { kind: 'nothing' }
    const sealing = { logNumber: row.log_number, origin: row.origin, signers }
    const { sealed, last } = await sealLeaves(transaction, sealing, edge, leaves)
    await onStep('signed')
    await transaction.commitWith(last)
    await onStep('committed')
    return { kind: 'sealed', sealed, isAll: pending.isAll }
  })
}

/** Keys that are not the ones the log has told of last: it tells of them under a checkpoint that the former ones sign too. */
async function newKeys(
  { run }: Reading,
  signers: readonly Signer[],
  { log_number: logNumber, vkeys }: LogRow,
): Promise<readonly Leaf[]> {
  const keys = signers.map(({ vkey }) => vkey)
  if (JSON.stringify(keys) === JSON.stringify(vkeys)) return []
  const [clock] = await run(
    statement<{ now: Instant }>(
      'UPDATE audit.log SET vkeys = $2 WHERE log_number = $1 RETURNING clock_timestamp() AS now',
      [logNumber, keys],
    ),
  )
  return [{ entry: logEntry({ kind: 'keys', at: milliseconds(clock?.now ?? ''), keys }), event: null }]
}

/** Or a cursor that somebody moved forth would have events pass unsealed. */
async function hasAllLeaves({ run }: Reading, { log_number: logNumber, size }: LogRow): Promise<boolean> {
  const [row] = await run(
    statement<{ leaves: bigint; expected: bigint }>(
      `SELECT (SELECT leaf_index + 1 FROM audit.leaf WHERE log_number = $1 ORDER BY leaf_index DESC LIMIT 1) AS leaves,
              coalesce((SELECT sum(shard_position) FROM audit.cursor WHERE log_number = $1), 0)::bigint
              + (SELECT count(*) FROM audit.leaf WHERE log_number = $1 AND entry IS NOT NULL) AS expected`,
      [logNumber],
    ),
  )
  return row?.leaves === size && row.expected === size
}
