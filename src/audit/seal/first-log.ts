// The first log, begun by whoever finds none: but only where there never was one, as far as anybody knows. A database that was emptied,
// or another one under the same name and keys, would have a second history signed at sizes that were signed already.
import type { BaseLogger } from 'pino'
import { type Database, send } from '#database/connect.ts'
import { inTransaction } from '#database/transaction.ts'
import type { Anchor } from '../anchor/anchor.ts'
import type { SigningKeys } from '../note/signing-key.ts'
import { beginLog, originOf } from './begin-log.ts'
import { newestClosed } from './lease.ts'
import { type Known, knownByAnchors } from './take-over.ts'

export type FirstLogParts = {
  readonly database: Database
  readonly keys: SigningKeys
  /** The first part of the origin of a log that is begun. */
  readonly host: string
  readonly anchors: readonly Anchor[]
  readonly log: BaseLogger
}

/** Why there is none to be begun; undefined where it was, by us or by somebody who was quicker. */
export async function beginFirstLog(parts: FirstLogParts, remembered: Known | undefined): Promise<string | undefined> {
  const { database, keys, host, log } = parts
  const origin = originOf(host, 1)
  const problem = await problemOfBeginning(parts, origin, remembered)
  if (problem !== undefined) return problem
  const signers = keys.signers(origin)
  const begun = await inTransaction(database, async (transaction) => {
    const so = await beginLog(transaction, { number: 1, origin, signers, continues: null })
    if (so !== undefined) await transaction.commitWith(so.last)
    return so
  })
  if (begun !== undefined) log.info({ origin, vkeys: signers.map(({ vkey }) => vkey) }, 'the audit log was begun')
  return undefined
}

async function problemOfBeginning(
  { database, keys, anchors }: FirstLogParts,
  origin: string,
  remembered: Known | undefined,
): Promise<string | undefined> {
  const [closed] = await send(database.pool, newestClosed())
  if (closed !== undefined) return `no audit log is open, and ${closed.origin} was closed`
  const outside = await knownByAnchors(anchors, keys, origin)
  if (typeof outside === 'string') return outside
  const [known] = remembered === undefined ? outside : [...outside, remembered]
  return (
    known && `the database has no audit log, and ${known.where} knows a checkpoint of ${known.origin}: history was lost`
  )
}
