// A log's beginning: the first one at the first start, another only after history was lost. Its first entry says which log it is and
// what it goes on from, so that this is proven like everything after it.
import { statement } from '#database/connect.ts'
import type { Transaction } from '#database/transaction.ts'
import type { Instant } from '#domain/instant.ts'
import { type LogEntry, logEntry } from '../entry.ts'
import type { Signer } from '../note/signing-key.ts'
import { EMPTY_EDGE } from '../tree/edge.ts'
import { leafHash } from '../tree/hash.ts'
import { type Leaf, type Sealed, sealLeaves } from './seal-leaves.ts'

export type NewLog = {
  readonly number: number
  readonly origin: string
  readonly signers: readonly Signer[]
  readonly continues: Extract<LogEntry, { kind: 'opened' }>['continues']
}

/** Commits. Undefined where somebody else has begun it meanwhile. All events are sealed in it from the first on. */
export async function beginLog(
  transaction: Transaction,
  { number, origin, signers, continues }: NewLog,
): Promise<Sealed | undefined> {
  const { run } = transaction
  const [clock] = await run(statement<{ now: Instant }>('SELECT clock_timestamp() AS now', []))
  const vkeys = signers.map(({ vkey }) => vkey)
  const entry = logEntry({ kind: 'opened', at: milliseconds(clock?.now ?? ''), keys: vkeys, origin, continues })
  const begun = await run(
    statement(
      `INSERT INTO audit.log (log_number, origin, vkeys, size, root) VALUES ($1, $2, $3, 1, $4)
           ON CONFLICT DO NOTHING RETURNING log_number`,
      [number, origin, vkeys, leafHash(entry)],
    ),
  )
  if (begun.length === 0) return undefined
  const first: Leaf = { entry, event: null }
  const { sealed, last } = await sealLeaves(transaction, { logNumber: number, origin, signers }, EMPTY_EDGE, [first])
  await transaction.commitWith(last)
  return sealed
}

export function originOf(host: string, number: number): string {
  return `${host}/audit/${number}`
}

/** Of what may have microseconds. */
export function milliseconds(instant: Instant): Instant {
  return instant.replace(/(\.\d{3})\d*Z$/, '$1Z')
}
