// C2SP's tlog-proof: a file that proves that an entry is in the log, with the checkpoint that it is proven against.
import { assertCount } from '../tree/tiles.ts'
import { parseCount, parseHash } from './checkpoint.ts'

export type ProofText = {
  readonly index: number
  /** The leaf's sibling first. */
  readonly proof: readonly Buffer[]
  /** The checkpoint's signed note, verbatim. */
  readonly note: string
  /** Opaque, and proven by nothing. */
  readonly extra?: Buffer
}

const FIRST_LINE = 'c2sp.org/tlog-proof@v1'

export function proofText({ index, proof, note, extra }: ProofText): string {
  assertCount(index)
  const lines = [
    FIRST_LINE,
    ...(extra === undefined ? [] : [`extra ${extra.toString('base64')}`]),
    `index ${index}`,
    ...proof.map((hash) => hash.toString('base64')),
  ]
  return `${lines.join('\n')}\n\n${note}`
}

/** Undefined for any other text. The note is not opened. */
export function parseProofText(text: string): ProofText | undefined {
  const split = text.indexOf('\n\n')
  if (split < 0) return undefined
  const [first, ...lines] = text.slice(0, split).split('\n')
  const extra = lines[0]?.startsWith('extra ') ? parseExtra(lines.shift()) : undefined
  const index = /^index (.*)$/.exec(lines.shift() ?? '')?.[1]
  const position = parseCount(index ?? '')
  const proof = lines.map(parseHash).filter((hash) => hash !== undefined)
  if (first !== FIRST_LINE || position === undefined || proof.length < lines.length || extra === null) return undefined
  return { index: position, proof, note: text.slice(split + 2), ...(extra === undefined ? {} : { extra }) }
}

/** Null where it is not canonical base64. */
function parseExtra(line = ''): Buffer | null {
  const text = line.slice('extra '.length)
  const extra = Buffer.from(text, 'base64')
  return extra.toString('base64') === text ? extra : null
}
