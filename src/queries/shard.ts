// Where rows live. Every table's key begins with the shard, and every id says it.
import { type IdKind, kindOf, shardOf } from '#domain/ids.ts'

export type Place = { readonly shard: number; readonly id: string }

/** A place where there is nothing, and no text of a client's reaches a statement. */
const NOWHERE: Place = { shard: -1, id: '' }

/** Where the thing with this id is, if there is one; nowhere for any text that is no id of the kind. */
export function locate(kind: IdKind, id: string): Place {
  return kindOf(id) === kind ? locateAny(id) : NOWHERE
}

/** The same for an id of whatever kind. */
export function locateAny(id: string): Place {
  const shard = shardOf(id)
  return shard === undefined ? NOWHERE : { shard, id }
}
