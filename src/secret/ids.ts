// The random part of what is made once and named for ever: ids, the salts of events, the root key.
import { randomBytes } from 'node:crypto'
import { toBase62 } from '#domain/base62.ts'
import { ID_RANDOM_DIGITS, ID_SHARD_DIGITS, ID_SHARD_MAX, type IdKind } from '#domain/ids.ts'
import { invariant } from '#domain/invariant.ts'
import { mintSecret } from './mint.ts'
import { randomDigits } from './random.ts'
import type { Secret } from './secret.ts'

/** 128 bits: the public hash of an event then tells nothing about it, however little there was to guess. */
const SALT_BYTES = 16

/** A new id, `<kind>_<shard 2><random 20>` in base62, with 119 random bits. `shard` is 0 to ID_SHARD_MAX. */
export function newId(kind: IdKind, shard: number): string {
  return idOf(kind, shard)
}

/** The same for an entry of the access log, which nothing is ever found by: no kind of its own among ids. */
export function newEntryId(shard: number): string {
  return idOf('use', shard)
}

function idOf(kind: string, shard: number): string {
  invariant(Number.isInteger(shard) && shard >= 0 && shard <= ID_SHARD_MAX, 'a shard is written in two base62 digits')
  return `${kind}_${toBase62(shard, ID_SHARD_DIGITS)}${randomDigits(ID_RANDOM_DIGITS)}`
}

/** 16 random bytes in base64url, unpadded. */
export function newSalt(): string {
  return randomBytes(SALT_BYTES).toString('base64url')
}

/** A root key for an installation that was given none: there is no default credential. */
export function newRootKey(): Secret {
  return mintSecret('root')
}
