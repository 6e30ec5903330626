// Finding keys by what is left of a secret in a log: less than its hint, the hint, or more, up to the whole secret.
import { SHORT_ID_DIGITS } from '#secret/token.ts'

/** The hints that may be meant. An index on hints answers both parts. */
export type HintSearch = {
  readonly exactly: readonly string[]
  /** At least `from` and below `to`, in the order of bytes. */
  readonly range: { readonly from: string; readonly to: string } | null
}

/** The longest: a prefix of 32, an underscore, the digits. */
const HINT_LENGTH_MAX = 32 + 1 + SHORT_ID_DIGITS
const HINT = new RegExp(`^[a-z][a-z0-9_]*_[0-9A-Za-z]{${SHORT_ID_DIGITS}}$`)
const HEAD_OF_HINT = /^[a-z][a-z0-9_]*(?:_[0-9A-Za-z]*)?$/

/**
 * Only what can be a hint, or the head of one, goes on to the database: of a whole secret that someone pastes, the part
 * that must stay secret does not.
 */
export function searchHints(text: string): HintSearch {
  const head = text.endsWith('…') ? text.slice(0, -1) : text
  const exactly: string[] = []
  for (let at = head.indexOf('_'); at >= 0 && at < HINT_LENGTH_MAX; at = head.indexOf('_', at + 1)) {
    const hint = head.slice(0, at + 1 + SHORT_ID_DIGITS)
    if (HINT.test(hint)) exactly.push(hint)
  }
  const isHead = head.length <= HINT_LENGTH_MAX && HEAD_OF_HINT.test(head)
  return { exactly, range: isHead ? { from: head, to: after(head) } : null }
}

/** The least text that is greater than every one which begins with this. Its last character is ASCII, and below DEL. */
function after(head: string): string {
  return head.slice(0, -1) + String.fromCharCode(head.charCodeAt(head.length - 1) + 1)
}
