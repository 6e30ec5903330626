// Keys in the order of their last use. That is telemetry, and kept apart from what keys are: used ones are read in the order of
// its index and then looked up; those never used follow in the order of their creation, for which there is an index too.
import { type Expression, sql } from 'kysely'
import type { KeyTable } from '#database/tables.ts'
import type { Instant } from '#domain/instant.ts'
import { type KeyFilter, type KeyScope, type keysWhere, usesIn } from './key-filter.ts'
import { along, goesUp, type Keyset } from './keyset.ts'
import type { Walk } from './page.ts'
import type { Reader, Run } from './reader.ts'

export type UsedKeyRow = KeyTable & { readonly last_used_at: Instant | null }

/** Rows in order, and no more than are wanted. */
type Part = Expression<UsedKeyRow>

type Parts = {
  readonly reader: Reader
  readonly run: Run
  readonly scope: KeyScope
  readonly filter: KeyFilter
  /** The keys to list, in parts that do not overlap. */
  readonly keys: readonly ReturnType<typeof keysWhere>[]
  readonly descending: boolean
}

/** A cursor is last use, creation and id. */
export async function readByLastUse(parts: Parts, walk: Walk): Promise<readonly UsedKeyRow[]> {
  const amongUnused = walk.from !== null && walk.from[0] === null
  const amongUsed = walk.from !== null && walk.from[0] !== null
  if (walk.forward ? amongUnused : amongUsed) return amongUnused ? readUnused(parts, walk) : readUsed(parts, walk)
  const [near, far] = walk.forward ? [readUsed, readUnused] : [readUnused, readUsed]
  const rows = await near(parts, walk)
  // The far part is looked for only where it is reached: to find the few unused of many keys, all have to be looked at.
  if (rows.length >= walk.limit) return rows
  return [...rows, ...(await far(parts, { ...walk, from: null }))].slice(0, walk.limit)
}

function readUsed(parts: Parts, walk: Walk): Promise<readonly UsedKeyRow[]> {
  const { scope, filter, descending } = parts
  const keyset: Keyset = {
    columns: [
      { name: 'use.last_used_at', type: 'timestamptz' },
      { name: 'use.key_id', type: 'text' },
    ],
    descending,
  }
  const [usedAt = null, , keyId = null] = walk.from ?? []
  const placed = walk.from === null ? walk : { ...walk, from: [usedAt, keyId] }
  const queries = parts.keys.map((keys) => {
    const used = keys
      .innerJoin('usage.key_use as use', (join) =>
        join.onRef('use.shard', '=', 'key.shard').onRef('use.key_id', '=', 'key.key_id'),
      )
      .where(usesIn('use', scope, filter))
      .selectAll('key')
      .select('use.last_used_at')
    const unusedSince = filter.unusedSince ?? null
    return along(unusedSince === null ? used : used.where('use.last_used_at', '<', unusedSince), keyset, placed)
  })
  return readMerged(parts, queries, keyset, walk)
}

function readUnused(parts: Parts, walk: Walk): Promise<readonly UsedKeyRow[]> {
  const { scope, filter, descending } = parts
  const keyset: Keyset = {
    columns: [
      { name: 'key.created_at', type: 'timestamptz' },
      { name: 'key.key_id', type: 'text' },
    ],
    descending,
  }
  const placed = walk.from === null ? walk : { ...walk, from: walk.from.slice(1) }
  const queries = parts.keys.map((keys) => {
    const unused = keys
      .where(
        sql<boolean>`NOT EXISTS (SELECT FROM usage.key_use AS use
          WHERE use.key_id = key.key_id AND ${usesIn('use', scope, filter)})`,
      )
      .selectAll('key')
      .select(sql<null>`NULL::timestamptz`.as('last_used_at'))
    return along(unused, keyset, placed)
  })
  return readMerged(parts, queries, keyset, walk)
}

/** Each part is in order and short; what is sorted is a few pages at most. */
async function readMerged(
  { reader, run }: Parts,
  parts: readonly Part[],
  keyset: Keyset,
  walk: Walk,
): Promise<readonly UsedKeyRow[]> {
  if (parts.length === 0) return []
  const union = sql<UsedKeyRow>`(${sql.join(
    parts.map((part) => sql`(${part})`),
    sql` UNION ALL `,
  )})`
  const direction = goesUp(keyset, walk) ? 'asc' : 'desc'
  const rows = reader.database.kysely.selectFrom(union.as('key')).selectAll('key')
  const ordered = keyset.columns.reduce(
    (query, { name }) => query.orderBy(sql.ref(name.replace(/^use\./, 'key.')), direction),
    rows,
  )
  return run(reader, ordered.limit(sql.lit(walk.limit)))
}
