// Checkpoints that were kept outside: files of signed notes, proofs, account heads, or what an anchor wrote line by line; and the one
// that the verifier itself kept from the last time.
import { type AccountHead, parseAccountHead } from '../note/account-head.ts'
import { type Checkpoint, checkpointOfNote, parseCheckpoint, parseHash, signedText } from '../note/checkpoint.ts'
import { parseProofText } from '../note/proof-text.ts'
import { openNote } from '../note/signed-note.ts'
import { isIncluded } from '../tree/proofs.ts'
import type { Findings } from './findings.ts'
import { lostRange } from './former-logs.ts'
import { hostOf, type Trust } from './trust.ts'
import type { VerifiedLog } from './verified-log.ts'

export type Known = Checkpoint & {
  /** The file, for people. */
  readonly what: string
  /** Undefined for what was verified before. */
  readonly note?: string
  readonly head?: AccountHead
  readonly proof?: { readonly index: number; readonly proof: readonly Buffer[] }
  /** Of what was verified before: origins of the logs that there were then. */
  readonly seenWith?: ReadonlySet<string>
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
    // One state serves for several installations.
    const isOfOthers = logs.length > 0 && logs.every(({ origin }) => hostOf(origin) !== hostOf(one.origin))
    if (one.note === undefined && isOfOthers) continue
    if (one.note !== undefined && !isSigned(findings, trust, one, one.note)) continue
    const log = logs.find(({ origin }) => origin === one.origin)
    if (log !== undefined && one.size <= log.tree.size) compare(findings, one, log)
    else tellShorter({ findings, logs }, one, log)
  }
}

/** A log that ends earlier than it did, or is gone. */
function tellShorter(
  { findings, logs }: { readonly findings: Findings; readonly logs: readonly VerifiedLog[] },
  known: Known,
  log: VerifiedLog | undefined,
): void {
  const { what, origin, size } = known
  if (log === undefined) {
    findings.add('history-shorter', what, `The log ${origin} had ${size} entries, and is not in the export.`)
    return
  }
  const detail = `${origin} had ${size} entries, and has ${log.tree.size} now.${lostOf(known, log)}`
  const next = logs[logs.indexOf(log) + 1]
  const anchored = next && toldBy(next, known)
  if (next === undefined || anchored === undefined) findings.add('history-shorter', what, detail)
  else
    findings.addLoss({ log: next.origin, kind: 'history-shorter', what, detail, lost: lostRange(log, anchored.size) })
}

/** What the next log began by saying of the log that it follows, where that explains what is missing. */
function toldBy({ origin, opened }: VerifiedLog, known: Known): Pick<Checkpoint, 'size'> | undefined {
  const { note, anchored } = opened?.continues ?? { note: '', anchored: null }
  if (anchored === null || checkpointOfNote(note)?.origin !== known.origin) return undefined
  // It was there when the next log was opened already.
  if (known.seenWith?.has(origin)) return undefined
  // Of trees that are no more only the one that the entry names can be compared.
  const isSame = anchored.size === known.size && anchored.root.equals(known.root)
  return anchored.size > known.size || isSame ? anchored : undefined
}

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
