// HMAC-SHA-256 (RFC 2104) of short texts, by two hashes in one call each. Node's own HMAC is an object with memory outside of the
// heap, and to collect thousands of them a second costs several times what hashing does: a tenth of a whole verification.
import { createHmac, hash, type KeyObject } from 'node:crypto'
import { invariant } from '#domain/invariant.ts'

/** The MAC of a text in UTF-8, in hexadecimal. */
export type TextMac = (text: string) => string

const BLOCK_BYTES = 64
const HASH_BYTES = 32
const INNER_PAD = 0x36
const OUTER_PAD = 0x5c
/** Of a text that fits: any presented secret, whose characters are at most 512, with 3 bytes each. */
const TEXT_BYTES_MAX = 1_536
const UTF8_BYTES_MAX = 3

/** `key`: of 1 to 64 bytes. */
export function textMacUnder(key: KeyObject): TextMac {
  const bytes = key.export()
  invariant(bytes.length <= BLOCK_BYTES, 'a key of HMAC that fits its block is used as it is')
  // Used by every call, one at a time: nothing waits between writing and hashing.
  const inner = Buffer.alloc(BLOCK_BYTES + TEXT_BYTES_MAX, INNER_PAD)
  const outer = Buffer.alloc(BLOCK_BYTES + HASH_BYTES, OUTER_PAD)
  for (const [index, byte] of bytes.entries()) {
    inner[index] = byte ^ INNER_PAD
    outer[index] = byte ^ OUTER_PAD
  }
  bytes.fill(0)
  /** By the length of the text. To make one costs as much as a hash, and secrets have few lengths. */
  const filled: Buffer[] = []
  return (text) => {
    if (text.length * UTF8_BYTES_MAX > TEXT_BYTES_MAX)
      return createHmac('sha256', key).update(text, 'utf8').digest('hex')
    const length = inner.write(text, BLOCK_BYTES, 'utf8')
    filled[length] ??= inner.subarray(0, BLOCK_BYTES + length)
    outer.write(hash('sha256', filled[length], 'latin1'), BLOCK_BYTES, 'latin1')
    inner.fill(0, BLOCK_BYTES, BLOCK_BYTES + length)
    return hash('sha256', outer, 'hex')
  }
}
