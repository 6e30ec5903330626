// Where checkpoints are kept that the owner of the database can't reach: what makes a history that was cut off or written anew
// known for what it is.
import type { Checkpoint } from '../note/checkpoint.ts'

/** A checkpoint as it is kept: the signed note, and how far each feed shard was sealed, to say what is missing if it comes to that. */
export type AnchorRecord = {
  readonly origin: string
  readonly size: number
  /** Base64. */
  readonly root: string
  readonly note: string
  /** By shard: the last position that is sealed. */
  readonly heads: Readonly<Record<string, number>>
}

export type Anchor = {
  /** As an operator knows it: a path, or a host. */
  readonly name: string
  /** The record with the largest size of each log that it can give back; none where it can only be written to. Rejects where it can't be read. */
  records(): Promise<readonly AnchorRecord[]>
  /** Rejects where the record is not safely there. */
  keep(record: AnchorRecord): Promise<void>
}

export function recordOf(
  { origin, size, root }: Checkpoint,
  note: string,
  heads: ReadonlyMap<number, number>,
): AnchorRecord {
  return { origin, size, root: root.toString('base64'), note, heads: Object.fromEntries(heads) }
}

/** A line of a file or the body of a request: JSON, ended by a newline. */
export function writeRecord(record: AnchorRecord): string {
  return `${JSON.stringify(record)}\n`
}

/** Undefined for what is no record. */
export function readRecord(line: string): AnchorRecord | undefined {
  try {
    const { origin, size, root, note, heads } = JSON.parse(line) as Partial<Record<keyof AnchorRecord, unknown>>
    if (typeof origin !== 'string' || typeof root !== 'string' || typeof note !== 'string') return undefined
    if (
      typeof size !== 'number' ||
      !Number.isSafeInteger(size) ||
      size < 1 ||
      typeof heads !== 'object' ||
      heads === null
    )
      return undefined
    return { origin, size, root, note, heads: heads as AnchorRecord['heads'] }
  } catch {
    return undefined
  }
}
