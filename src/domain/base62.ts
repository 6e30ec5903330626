// The digits of ids and generated secrets: letters and digits only, so that a double click selects the whole of one and
// no URL, header or shell has to escape it.

/** In ASCII order, so that numbers of equal width sort as text as they do as numbers. */
export const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

/** A whole number from 0 in exactly `width` digits, most significant first. Higher digits than fit are lost. */
export function toBase62(value: number, width: number): string {
  let text = ''
  let rest = value
  for (let i = 0; i < width; i++) {
    text = BASE62.charAt(rest % 62) + text
    rest = Math.floor(rest / 62)
  }
  return text
}

/** The number that base62 digits write; NaN where one is not a digit. Exact up to 8 digits (62^8 < 2^53). */
export function fromBase62(digits: string): number {
  let value = 0
  for (const digit of digits) {
    const at = BASE62.indexOf(digit)
    value = at < 0 ? Number.NaN : value * 62 + at
  }
  return value
}
