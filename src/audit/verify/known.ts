// Checkpoints that were kept outside: files of signed notes, proofs, account heads, or what an anchor wrote line by line; and the one
// that the verifier itself kept from the last time.
import { type AccountHead, parseAccountHead } from '../note/account-head.ts'
import { type Checkpoint, checkpointOfNote, parseCheckpoint, parseHash, signedText } from '../note/checkpoint.ts'
import { parseProofText } from '../note/proof-text.ts'
import { openNote } from '../note/signed-note.ts'
import { isIncluded } from '../tree/proofs.ts'
import type { Findings } from './findings.ts'
import type { Trust } from './trust.ts'
import type { VerifiedLog } from './verified-log.ts'

export type Known = Checkpoint & {
  /** The file, for people. */
  readonly what: string
  /** Undefined for what was verified before. */
  readonly note?: string
  readonly head?: AccountHead
  readonly proof?: { readonly index: number; readonly proof: readonly Buffer[] }
  /** By shard, how far its events were in the tree. */
  readonly heads?: ReadonlyMap<number, number>
}

/** Nothing is believed yet. Undefined where the text is none of the forms that there are. */
export function parseKnown(what: string, text: string): readonly Known[] | undefined {
  if (text.trimStart().startsWith('{')) {
    // A line that a server did not live to finish is no record.
    const records = text.split('\n').map((line, at) => ({ line, where: `${what}, line ${at + 1}` }))
    const parsed = records.filter(({ line }) => isJson(line)).map(({ line, where }) => parseRecord(where, line))
    const known = parsed.filter((one) => one !== undefined)
    return known.length === parsed.length && known.length > 0 ? known : undefined
  }
  const proof = parseProofText(text)
  const note = proof?.note ?? text
  const signed = signedText(note)
  const checkpoint = parseCheckpoint(signed)
  if (checkpoint !== undefined) return [{ what, note, ...checkpoint, ...(proof === undefined ? {} : { proof }) }]
  const head = parseAccountHead(signed)
  return head === undefined ? undefined : [{ what, note, origin: head.origin, size: head.size, root: head.root, head }]
}

function parseRecord(what: string, line: string): Known | undefined {
  try {
    const { origin, size, root, note, heads = {} } = JSON.parse(line) as Record<string, unknown>
    if (typeof note !== 'string' || typeof root !== 'string') return undefined
    const checkpoint = checkpointOfNote(note)
    const isSame = checkpoint?.origin === origin && checkpoint?.size === size
    if (checkpoint === undefined || !isSame || parseHash(root)?.equals(checkpoint.root) !== true) return undefined
    const entries = Object.entries(heads as object).map(([shard, head]) => [Number(shard), Number(head)] as const)
    return { what, note, ...checkpoint, heads: new Map(entries) }
  } catch {
    return undefined
  }
}

function isJson(line: string): boolean {
  try {
    JSON.parse(line)
    return true
  } catch {
    return false
  }
}

/** Compares each with the logs of the export. */
export function checkKnown(
  {
    findings,
    trust,
    logs,
  }: { readonly findings: Findings; readonly trust: Trust; readonly logs: readonly VerifiedLog[] },
  known: readonly Known[],
): void {
  for (const one of known) {
    if (one.note !== undefined && !isSigned(findings, trust, one, one.note)) continue
    const log = logs.find(({ origin }) => origin === one.origin)
    if (log !== undefined && one.size <= log.tree.size) compare(findings, one, log)
    else tellShorter({ findings, logs }, one, log)
  }
}

/** A log that ends earlier than it did, or is gone. Where the next was opened after that loss and says so, it may be accepted. */
function tellShorter(
  { findings, logs }: { readonly findings: Findings; readonly logs: readonly VerifiedLog[] },
  known: Known,
  log: VerifiedLog | undefined,
): void {
  const { what, origin, size } = known
  const detail =
    log === undefined
      ? `The log ${origin} had ${size} entries, and is not in the export.`
      : `${origin} had ${size} entries, and has ${log.tree.size} now.${lostOf(known, log)}`
  const next = logs.find(({ number }) => number > numberOf(origin))
  if (next !== undefined && tellsOf(next, known)) findings.addLoss(next.origin, 'history-shorter', what, detail)
  else findings.add('history-shorter', what, detail)
}

/** Whether the log began by saying that so much of that log, or of one that came after it, was there and is gone. */
function tellsOf({ opened }: VerifiedLog, known: Known): boolean {
  const { note, anchored } = opened?.continues ?? { note: '', anchored: null }
  const origin = checkpointOfNote(note)?.origin
  if (origin === undefined || anchored === null) return false
  if (origin !== known.origin) return numberOf(origin) > numberOf(known.origin)
  // Of trees that are no more only the one that the entry names can be compared.
  return anchored.size > known.size || isSame(anchored, known)
}

const numberOf = (origin: string) => Number(/\d+$/.exec(origin)?.[0])

const isSame = (one: Pick<Checkpoint, 'size' | 'root'>, other: Pick<Checkpoint, 'size' | 'root'>) =>
  one.size === other.size && one.root.equals(other.root)

function isSigned(findings: Findings, trust: Trust, { what, origin }: Known, note: string): boolean {
  const opened = openNote(note, trust.verifiersOf(origin))
  if ('text' in opened) return true
  findings.add('no-key', what, `It is not compared: ${opened.problem}.`)
  return false
}

function compare(findings: Findings, known: Known, log: VerifiedLog): void {
  const roots = log.tree.rootsAt.get(known.size)
  if (roots === undefined || !log.isRoot(roots, known.root)) {
    findings.add('history-differs', known.what, `${known.origin} had another root when it had ${known.size} entries.`)
    return
  }
  if (known.proof !== undefined) {
    const { index, proof } = known.proof
    const leafHash = index < log.tree.size ? log.tree.leaves.at(index) : undefined
    if (leafHash === undefined || !isIncluded({ leafHash, index, size: known.size, root: known.root, proof }))
      findings.add('history-differs', known.what, `Leaf ${index} is not the one that was proven.`)
  }
}

/** Which events are gone, where an anchor told how far each shard was. */
function lostOf({ heads }: Known, log: VerifiedLog): string {
  if (heads === undefined || log.sealedHead === undefined) return ''
  const { sealedHead } = log
  const lost = [...heads]
    .map(([shard, head]) => ({ shard, from: sealedHead(shard) + 1, head }))
    .filter(({ from, head }) => from <= head)
    .map(({ shard, from, head }) => `positions ${from} to ${head} of shard ${shard}`)
  return lost.length === 0 ? '' : ` What was sealed besides: ${lost.join(', ')}.`
}

export function sizesOf(known: readonly Known[], origin: string): readonly number[] {
  return known.filter((one) => one.origin === origin).map(({ size }) => size)
}
