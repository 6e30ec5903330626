// What a verifier found, and what follows from it.

/** Where evidence is missing, damaged or not to be understood: nothing is said of the history. */
export const INCOMPLETE_KINDS = ['file-missing', 'file-short', 'unreadable', 'no-key'] as const

/** Where the evidence contradicts itself. */
export const TAMPERED_KINDS = [
  'signature',
  'checkpoint',
  'root',
  'tile',
  'entry',
  'event-changed',
  'event-missing',
  'event-inserted',
  'event-order',
  'pending',
  'counter',
  'state',
  'personal',
  'history-shorter',
  'history-differs',
  'former-log',
] as const

export type FindingKind = (typeof INCOMPLETE_KINDS)[number] | (typeof TAMPERED_KINDS)[number]

export type Finding = {
  readonly kind: FindingKind
  /** The file, event, row or leaf. */
  readonly what: string
  /** One sentence, without values: they may be digests. */
  readonly detail: string
}

export type Loss = Finding & {
  /** The log that was opened after it, by its origin. */
  readonly log: string
  /** The leaves that are gone: what is accepted is these, by whatever they are missed. */
  readonly lost: string
}

export type Verdict = 'sound' | 'tampered' | 'incomplete'

export type Findings = {
  add(kind: FindingKind, what: string, detail: string): void
  /** What was lost before a log was opened, which says so: a finding unless it is accepted. */
  addLoss(loss: Loss): void
  /** At most KEPT_MAX of each kind, in the order in which they were found. */
  readonly kept: readonly Finding[]
  /** Losses that are no findings, since whoever verifies knows of them. */
  readonly accepted: readonly Loss[]
  /** How many there were of each kind, those that were not kept included. */
  counts(): ReadonlyMap<FindingKind, number>
  /** Tampered where anything contradicts, incomplete where anything is missing. */
  verdict(): Verdict
}

/** One wrong byte early in a history can be followed by as many findings as there are events. */
const KEPT_MAX = 1000

/** `isAccepted`: whether whoever verifies knows of that loss. */
export function newFindings(isAccepted: (loss: Loss) => boolean = () => false): Findings {
  const kept: Finding[] = []
  const accepted: Loss[] = []
  const counts = new Map<FindingKind, number>()
  const add = (kind: FindingKind, what: string, detail: string) => {
    const count = (counts.get(kind) ?? 0) + 1
    counts.set(kind, count)
    if (count <= KEPT_MAX) kept.push({ kind, what, detail })
  }
  return {
    kept,
    accepted,
    add,
    addLoss(loss) {
      if (isAccepted(loss)) accepted.push(loss)
      else add(loss.kind, loss.what, loss.detail)
    },
    counts: () => counts,
    verdict() {
      if (counts.size === 0) return 'sound'
      return TAMPERED_KINDS.some((kind) => counts.has(kind)) ? 'tampered' : 'incomplete'
    },
  }
}
