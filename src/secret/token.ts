// The grammar of a generated secret: `<prefix>_<shortId 10>_<random 32><crc 6>`, the digits in base62. The checksum lets
// a mistyped or made-up string be refused before any I/O, and lets scanners of leaked text match ours and nothing else.
// It proves nothing about where a string comes from: only its digest does.
import { crc32 } from 'node:zlib'
import { toBase62 } from '#domain/base62.ts'
import { invariant } from '#domain/invariant.ts'

/** Characters of a presented key, generated or a caller's own; a longer one is refused unread. */
export const SECRET_LENGTH_MAX = 512

/** 59 bits: tells the secrets of one prefix apart in logs, and is no part of what makes one unguessable. */
export const SHORT_ID_DIGITS = 10
/** 32 × log2(62) = 190 bits: guessing is hopeless, so that a fast digest is enough. */
export const RANDOM_DIGITS = 32
/** 62^6 > 2^32: six digits hold every CRC-32. */
const CRC_DIGITS = 6

const PREFIX = '[a-z][a-z0-9_]{0,30}[a-z0-9]'
const PREFIX_LENGTH_MIN = 2
const PREFIX_LENGTH_MAX = 32
const REST_LENGTH = 1 + SHORT_ID_DIGITS + 1 + RANDOM_DIGITS + CRC_DIGITS

// A prefix may hold underscores and the digits can't, so there is one way to read a match. No flag `u`: the pattern is
// ASCII, and a lone surrogate is then one more character that does not match.
const BODY = `((${PREFIX})_([0-9A-Za-z]{${SHORT_ID_DIGITS}}))_[0-9A-Za-z]{${RANDOM_DIGITS}}`
const BODY_PATTERN = new RegExp(`^${BODY}$`)
const GENERATED_PATTERN = new RegExp(`^${BODY}[0-9A-Za-z]{${CRC_DIGITS}}$`)
/** A caller's own secret. */
const OWN_PATTERN = /^[\x21-\x7e]{16,256}$/

/** What a generated secret says to everyone. The hint is `<prefix>_<shortId>`, its readable head. */
export type Token = { readonly prefix: string; readonly shortId: string; readonly hint: string }

/**
 * Reads a presented string; undefined unless it is, to the character, a generated secret with a right checksum. Throws
 * for no string. The length is looked at first, so that a string of any size costs the same.
 */
export function parseToken(text: string): Token | undefined {
  if (text.length < PREFIX_LENGTH_MIN + REST_LENGTH || text.length > PREFIX_LENGTH_MAX + REST_LENGTH) return undefined
  const body = text.slice(0, -CRC_DIGITS)
  const [, hint, prefix, shortId] = BODY_PATTERN.exec(body) ?? []
  if (hint === undefined || prefix === undefined || shortId === undefined) return undefined
  return text.slice(-CRC_DIGITS) === checksum(body) ? { prefix, shortId, hint } : undefined
}

/**
 * Whether it can be a caller's own secret: 16 to 256 visible ASCII characters, and not of the form of a generated one,
 * whatever its checksum. So there is one way to read every string, and a mistyped generated secret is told apart from an own
 * one without asking the database.
 */
export function isOwnSecret(text: string): boolean {
  return OWN_PATTERN.test(text) && !GENERATED_PATTERN.test(text)
}

/** Whether a presented string can be any code's secret at all; what can't is refused before any I/O. */
export function couldBeSecret(text: string): boolean {
  return parseToken(text) !== undefined || isOwnSecret(text)
}

/** Writes the plaintext of a generated secret, checksum included. The parts are ours: ill-formed ones are a defect. */
export function formatToken(parts: {
  readonly prefix: string
  readonly shortId: string
  readonly random: string
}): string {
  const body = `${parts.prefix}_${parts.shortId}_${parts.random}`
  const [, , prefix, shortId] = BODY_PATTERN.exec(body) ?? []
  // Compared part by part: an underscore in the wrong part could still make a well-formed whole. The message is fixed,
  // as the body is a secret.
  invariant(prefix === parts.prefix && shortId === parts.shortId, 'the parts of a generated secret are well-formed')
  return body + checksum(body)
}

function checksum(body: string): string {
  return toBase62(crc32(body), CRC_DIGITS)
}
