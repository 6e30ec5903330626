// What a sealer makes sure of before it signs anything: that the log it would go on with is the one that was signed last, by what
// the database says, by what was kept outside it, and by what this process remembers. A log must never sign two checkpoints that
// disagree: https://c2sp.org/tlog-checkpoint
import type { CompiledQuery } from 'kysely'
import { statement } from '#database/connect.ts'
import { messageOf } from '#database/embedded/errors.ts'
import type { Reading } from '#database/transaction.ts'
import type { Anchor, AnchorRecord } from '../anchor/anchor.ts'
import type { Checkpoint } from '../note/checkpoint.ts'
import { openCheckpoint } from '../note/signed-checkpoint.ts'
import type { Signer, SigningKeys } from '../note/signing-key.ts'
import { type LogRow, loadEdge, tileReader } from '../store/logs.ts'
import { newestNote } from '../store/published.ts'
import { rootOf } from '../tree/edge.ts'
import { consistencyProof, isConsistent } from '../tree/proofs.ts'
import { placeOf } from './begin-log.ts'

/** A checkpoint that is known from elsewhere, and from where. */
export type Known = { readonly where: string; readonly origin: string; readonly size: number; readonly root: Buffer }

export type KnownRecord = Known & { readonly record: AnchorRecord }

/** Why the log is not to be gone on with; undefined where all agrees. */
export async function problemOfLog(
  reading: Reading,
  log: LogRow,
  signers: readonly Signer[],
  known: readonly Known[],
): Promise<string | undefined> {
  const size = Number(log.size)
  const [later] = await reading.run(logAfter(log.log_number))
  if (later !== undefined) return `${later.origin} was begun after this log: history was set back`
  const newest = await newestCheckpoint(reading, log, signers)
  if (typeof newest === 'string') return newest
  if (newest.size !== size || !newest.root.equals(log.root))
    return `the newest checkpoint is of ${newest.size} entries, and the log says ${size}, or another root`
  const edge = await loadEdge(reading, log.log_number, size)
  if (edge === undefined || !rootOf(edge).equals(log.root)) return 'the tiles are not those of the newest checkpoint'
  for (const one of known) {
    const problem = await problemWith(reading, log, one)
    if (problem !== undefined) return problem
  }
  return undefined
}

/**
 * What the anchors can give back of the logs that are named like this one, as far as a key of ours signed it: an anchor may be a file
 * that others write to. A string says which of them can't be read: without it nobody knows what it would have told.
 */
export async function knownByAnchors(
  anchors: readonly Anchor[],
  keys: SigningKeys,
  origin: string,
): Promise<readonly KnownRecord[] | string> {
  const known: KnownRecord[] = []
  for (const { name, records } of anchors) {
    try {
      for (const record of await records()) {
        const isOfOurs = placeOf(record.origin)?.host === placeOf(origin)?.host
        const checkpoint = isOfOurs ? openCheckpoint(record.note, keys.signers(record.origin)) : undefined
        if (checkpoint?.origin !== record.origin || checkpoint.size !== record.size) continue
        known.push({ where: name, origin: record.origin, size: checkpoint.size, root: checkpoint.root, record })
      }
    } catch (error) {
      return `${name}, where checkpoints are kept, can not be read: ${messageOf(error)}`
    }
  }
  return known
}

/** A former log that somebody opened again beside those that followed it would be signed on in two ways. */
function logAfter(logNumber: number): CompiledQuery<Pick<LogRow, 'origin'>> {
  return statement('SELECT origin FROM audit.log WHERE log_number > $1 ORDER BY log_number LIMIT 1', [logNumber])
}

async function newestCheckpoint(
  reading: Reading,
  log: LogRow,
  signers: readonly Signer[],
): Promise<Checkpoint | string> {
  const note = await newestNote(reading, log.log_number)
  if (note === undefined) return 'there is no checkpoint'
  const checkpoint = openCheckpoint(note, signers)
  if (checkpoint === undefined)
    return 'the newest checkpoint is not signed by the keys that are configured; a key that is replaced stays behind the new one for a while'
  return checkpoint.origin === log.origin ? checkpoint : 'the newest checkpoint is not one of this log'
}

async function problemWith(reading: Reading, log: LogRow, known: Known): Promise<string | undefined> {
  if (known.origin !== log.origin) {
    const isLater = (placeOf(known.origin)?.number ?? 0) > log.log_number
    return isLater ? `${known.where} knows of ${known.origin}, which follows this log: history was set back` : undefined
  }
  const size = Number(log.size)
  if (known.size > size)
    return `the log has ${size} entries, and ${known.where} knows a checkpoint of ${known.size}: history was set back`
  const proof = await consistencyProof(tileReader(reading, log.log_number), known.size, size)
  return isConsistent({ from: known.size, fromRoot: known.root, to: size, toRoot: log.root, proof })
    ? undefined
    : `the first ${known.size} entries are not those of the checkpoint that ${known.where} knows: history was changed`
}
