// Keys of an account or a keyspace, filtered and ordered; newest first unless ordered otherwise, nulls last in any order.
import { sql } from 'kysely'
import type { KeyTable } from '#database/tables.ts'
import type { CursorField } from './cursor.ts'
import { type Branch, branchesOf, checkKeyFilter, type KeyFilter, type KeyScope, keysWhere } from './key-filter.ts'
import { readByLastUse, type UsedKeyRow } from './keys-by-use.ts'
import { along, beyond, goesUp, type Keyset } from './keyset.ts'
import { type Page, type PageRequest, pageOf, type Walk } from './page.ts'
import { countOf, type Reader, runNamed, runPlanned } from './reader.ts'

export type KeyRow = KeyTable

export type KeyOrder = {
  readonly field: 'CREATED_AT' | 'NAME' | 'EXPIRES_AT' | 'LAST_USED_AT'
  readonly direction: 'ASC' | 'DESC'
}

type OrderColumn = {
  readonly name: 'created_at' | 'name_folded' | 'expires_at'
  readonly type: 'timestamptz' | 'text'
  readonly field: CursorField
}

const COLUMNS: Readonly<Record<Exclude<KeyOrder['field'], 'LAST_USED_AT'>, OrderColumn>> = {
  CREATED_AT: { name: 'created_at', type: 'timestamptz', field: 'instant' },
  NAME: { name: 'name_folded', type: 'text', field: 'text' },
  EXPIRES_AT: { name: 'expires_at', type: 'timestamptz', field: 'instant or null' },
}

const NEWEST_FIRST: KeyOrder = { field: 'CREATED_AT', direction: 'DESC' }

/**
 * In the scope of an account, keys of its management keyspace are left out unless the filter names that keyspace; a
 * keyspace outside the scope has none. Throws BadQueryArgumentError.
 */
export async function listKeys(
  reader: Reader,
  scope: KeyScope,
  filter: KeyFilter | null | undefined,
  order: KeyOrder | null | undefined,
  page: PageRequest,
): Promise<Page<KeyRow>> {
  const wanted = filter ?? {}
  checkKeyFilter(wanted)
  const { field, direction } = order ?? NEWEST_FIRST
  const branches = branchesOf(scope, wanted, reader)
  const run = isFiltered(wanted) || reader.memberId !== null ? runPlanned : runNamed
  const common = {
    identity: ['keys', identityOf(scope), `${field} ${direction}`],
    count: () =>
      countOf(
        reader,
        run,
        branches.map((branch) => keysWhere(reader, branch)),
      ),
  } as const
  const descending = direction === 'DESC'
  if (field === 'LAST_USED_AT') {
    const keys = branches.map((branch) => keysWhere(reader, branch))
    return pageOf<UsedKeyRow>(
      {
        ...common,
        fields: ['instant or null', 'instant', 'text'],
        cursorOf: (row) => [row.last_used_at, row.created_at, row.key_id],
        read: (walk) => readByLastUse({ reader, run, scope, filter: wanted, keys, descending }, walk),
      },
      page,
    )
  }
  const column = COLUMNS[field]
  return pageOf<KeyRow>(
    {
      ...common,
      fields: [column.field, 'text'],
      cursorOf: (row) => [row[column.name], row.key_id],
      read: async (walk) => {
        const query = stretchOf(reader, branches, column, descending, walk)
        return query === undefined ? [] : run(reader, query)
      },
    },
    page,
  )
}

function identityOf(scope: KeyScope): string {
  return 'keyspaceId' in scope ? scope.keyspaceId : (scope.ownerId ?? scope.accountId)
}

function isFiltered(filter: KeyFilter): boolean {
  return Object.values(filter).some((value) => value != null)
}

/** Undefined where the walk has nothing before it. */
function stretchOf(reader: Reader, branches: readonly Branch[], column: OrderColumn, descending: boolean, walk: Walk) {
  const keyset: Keyset = {
    columns: [
      { name: `key.${column.name}`, type: column.type },
      { name: 'key.key_id', type: 'text' },
    ],
    descending,
  }
  const parts = branches.flatMap((branch) =>
    column.name === 'expires_at'
      ? [...valueParts(reader, branch, keyset, walk), ...nullParts(reader, branch, keyset, walk)]
      : [along(keysWhere(reader, branch).selectAll('key'), keyset, walk)],
  )
  const [first, ...others] = parts
  if (first === undefined || others.length === 0) return first
  // Each part is in order and short; what is sorted is a few pages at most.
  const union = sql<KeyRow>`(${sql.join(
    parts.map((part) => sql`(${part})`),
    sql` UNION ALL `,
  )})`
  const direction = goesUp(keyset, walk) ? 'asc' : 'desc'
  return reader.database.kysely
    .selectFrom(union.as('key'))
    .selectAll('key')
    .orderBy(`key.${column.name}`, (by) => (walk.forward ? by[direction]().nullsLast() : by[direction]().nullsFirst()))
    .orderBy('key.key_id', direction)
    .limit(sql.lit(walk.limit))
}

// A comparison with null is neither true nor false, and an index has its nulls at one end whichever way it is read. So keys
// without the value are a part of their own: the list's last.

function valueParts(reader: Reader, branch: Branch, keyset: Keyset, walk: Walk) {
  const fromNull = walk.from !== null && walk.from[0] === null
  if (fromNull && walk.forward) return []
  const values = keysWhere(reader, branch).selectAll('key').where('key.expires_at', 'is not', null)
  return [along(values, keyset, fromNull ? { ...walk, from: null } : walk)]
}

function nullParts(reader: Reader, branch: Branch, keyset: Keyset, walk: Walk) {
  const [value, keyId] = walk.from ?? []
  const fromValue = value !== undefined && value !== null
  if (fromValue && !walk.forward) return []
  const nulls = keysWhere(reader, branch).selectAll('key').where('key.expires_at', 'is', null)
  const byId: Keyset = { ...keyset, columns: keyset.columns.slice(1) }
  const placed = keyId === undefined || fromValue ? nulls : nulls.where(beyond(byId, walk, [keyId]))
  return [along(placed, keyset, { ...walk, from: null })]
}
