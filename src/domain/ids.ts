// What an id says by itself: `<kind>_<shard 2><random 20>` in base62. The shard stands in it so that a row is found by
// its whole table key, without asking first which shard the thing's account is pinned to.
import { fromBase62 } from './base62.ts'
import { invariant } from './invariant.ts'

/** Permanent once released: ids stand in events and in what clients have stored. */
export const ID_KINDS = ['acct', 'ks', 'key', 'code', 'rot', 'lnk', 'pol', 'usr', 'evt'] as const
export type IdKind = (typeof ID_KINDS)[number]

export const ID_SHARD_DIGITS = 2
/** 20 × log2(62) = 119 random bits: an id can't be guessed, and knowing one is the right to link it. */
export const ID_RANDOM_DIGITS = 20
/** The highest shard that two digits write. */
export const ID_SHARD_MAX = 62 ** ID_SHARD_DIGITS - 1

const ID_PATTERN = new RegExp(
  `^(${ID_KINDS.join('|')})_([0-9A-Za-z]{${ID_SHARD_DIGITS}})[0-9A-Za-z]{${ID_RANDOM_DIGITS}}$`,
)

type IdParts = { readonly kind: IdKind; readonly shard: number }

/** The kind of a well-formed id; undefined for any other text. */
export function kindOf(id: string): IdKind | undefined {
  return parse(id)?.kind
}

/** The shard in a well-formed id, 0 to ID_SHARD_MAX, whether or not there are that many; undefined for any other text. */
export function shardOf(id: string): number | undefined {
  return parse(id)?.shard
}

/** The shard in an id that we made ourselves. */
export function knownShardOf(id: string): number {
  const shard = shardOf(id)
  invariant(shard !== undefined, 'an id of ours is well-formed')
  return shard
}

function parse(id: string): IdParts | undefined {
  const match = ID_PATTERN.exec(id)
  const kind = ID_KINDS.find((known) => known === match?.[1])
  const shard = match?.[2]
  return kind === undefined || shard === undefined ? undefined : { kind, shard: fromBase62(shard) }
}
