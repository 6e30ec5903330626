// A log's beginning: the first one at the first start, another only after history was lost. Its first entry says which log it is and
// what it goes on from, so that this is proven like everything after it.
import { statement } from '#database/connect.ts'
import type { Transaction } from '#database/transaction.ts'
import type { Instant } from '#domain/instant.ts'
import { type LogEntry, logEntry } from '../entry.ts'
import type { Signer } from '../note/signing-key.ts'
import { EMPTY_EDGE } from '../tree/edge.ts'
import { leafHash } from '../tree/hash.ts'
import { type Leaf, type SealedSoFar, sealLeaves } from './seal-leaves.ts'

export type NewLog = {
  readonly number: number
  readonly origin: string
  readonly signers: readonly Signer[]
  readonly continues: Extract<LogEntry, { kind: 'opened' }>['continues']
}

/**
 * Sends all but the last statement, as sealing does. Undefined where somebody else has begun it meanwhile. All events are sealed in it
 * from the first on.
 */
export async function beginLog(
  transaction: Pick<Transaction, 'run'>,
  { number, origin, signers, continues }: NewLog,
): Promise<SealedSoFar | undefined> {
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
  return sealLeaves(transaction, { logNumber: number, origin, signers }, EMPTY_EDGE, [first])
}

export function originOf(host: string, number: number): string {
  return `${host}/audit/${number}`
}

/** Of an origin: the host, and the number of the log. */
export function placeOf(origin: string): { readonly host: string; readonly number: number } | undefined {
  const [, host, number] = /^(.+)\/audit\/([1-9]\d{0,3})$/.exec(origin) ?? []
  return host === undefined ? undefined : { host, number: Number(number) }
}

/** Of what may have microseconds. */
export function milliseconds(instant: Instant): Instant {
  return instant.replace(/(\.\d{3})\d*Z$/, '$1Z')
}
