// A signed statement of how many events an account had at a checkpoint: with a proof for each of them, whoever sees one account
// only knows that none is kept from them. Its second line is no number, so that it never passes for a checkpoint.
import { assertCount } from '../tree/tiles.ts'
import { parseCount, parseHash } from './checkpoint.ts'

export type AccountHead = {
  readonly origin: string
  readonly accountId: string
  /** Its events among the first `size` entries: positions 1 to `count`. */
  readonly count: number
  readonly size: number
  readonly root: Buffer
}

const SUFFIX = ' account-head'

export function accountHeadText({ origin, accountId, count, size, root }: AccountHead): string {
  assertCount(count)
  assertCount(size)
  return `${origin}${SUFFIX}\n${accountId}\n${count}\n${size}\n${root.toString('base64')}\n`
}

/** Undefined for any other text. */
export function parseAccountHead(text: string): AccountHead | undefined {
  const [first = '', accountId = '', countText = '', sizeText = '', rootText = '', end, ...more] = text.split('\n')
  const origin = first.slice(0, -SUFFIX.length)
  const count = parseCount(countText)
  const size = parseCount(sizeText)
  const root = parseHash(rootText)
  if (!first.endsWith(SUFFIX) || origin === '' || !/^[A-Za-z]+_[0-9A-Za-z]+$/.test(accountId)) return undefined
  if (count === undefined || size === undefined || root === undefined || end !== '' || more.length > 0) return undefined
  return { origin, accountId, count, size, root }
}
