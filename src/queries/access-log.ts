// The access log of an account or of one key, newest first.
import { type SqlBool, sql } from 'kysely'
import type { AccessLogTable } from '#database/tables.ts'
import { BadQueryArgumentError } from '#domain/bad-query-argument.ts'
import type { Instant } from '#domain/instant.ts'
import type { VerificationCode } from '#domain/verdict.ts'
import { instantIssues, textsIssues } from './filter-check.ts'
import { along, type Keyset } from './keyset.ts'
import { type Page, type PageRequest, pageOf } from './page.ts'
import { type Reader, runPlanned } from './reader.ts'
import { locate } from './shard.ts'

export type AccessLogRow = AccessLogTable

/** Of a key, what was recorded by the account it belongs to. */
export type AccessLogScope = { readonly accountId: string; readonly keyId: string | null }

/** What is absent, null or an empty list filters nothing. */
export type AccessLogFilter = {
  readonly keyId?: string | null | undefined
  readonly codeId?: string | null | undefined
  /** Inclusive. */
  readonly since?: Instant | null | undefined
  /** Exclusive. */
  readonly until?: Instant | null | undefined
  readonly verdicts?: readonly VerificationCode[] | null | undefined
}

const VERDICTS_MAX = 20

const NEWEST_FIRST: Keyset = {
  columns: [
    { name: 'entry.at', type: 'timestamptz' },
    { name: 'entry.entry_id', type: 'text' },
  ],
  descending: true,
}

/** Throws BadQueryArgumentError. */
export async function listAccess(
  reader: Reader,
  scope: AccessLogScope,
  filter: AccessLogFilter | null | undefined,
  page: PageRequest,
): Promise<Page<AccessLogRow>> {
  const { keyId, codeId, since, until, verdicts } = filter ?? {}
  const issues = [
    ...instantIssues('since', since),
    ...instantIssues('until', until),
    ...textsIssues('verdicts', verdicts, VERDICTS_MAX),
  ]
  if (issues.length > 0) throw new BadQueryArgumentError(issues)
  const account = locate('acct', scope.accountId)
  const code = codeId == null ? null : locate('code', codeId)
  const keyIds = [scope.keyId, keyId].flatMap((id) => (id == null ? [] : [locate('key', id).id]))
  const conditions = [
    sql<SqlBool>`entry.shard = ${account.shard} AND entry.account_id = ${account.id}`,
    ...keyIds.map((id) => sql<SqlBool>`entry.key_id = ${id}`),
    // There is an index on keys only: the code says which one is meant.
    ...(code === null
      ? []
      : [
          sql<SqlBool>`entry.code_id = ${code.id} AND entry.key_id =
            (SELECT key_id FROM state.code WHERE shard = ${code.shard} AND code_id = ${code.id})`,
        ]),
    ...(since == null ? [] : [sql<SqlBool>`entry.at >= ${since}::timestamptz`]),
    ...(until == null ? [] : [sql<SqlBool>`entry.at < ${until}::timestamptz`]),
    ...(verdicts?.length ? [sql<SqlBool>`entry.verdict = ANY (${verdicts}::text[])`] : []),
  ]
  const entries = conditions.reduce(
    (query, condition) => query.where(condition),
    reader.database.kysely.selectFrom('usage.access_log as entry'),
  )
  return pageOf<AccessLogRow>(
    {
      identity: ['access log', scope.keyId ?? scope.accountId, 'AT DESC'],
      fields: ['instant', 'text'],
      cursorOf: (row) => [row.at, row.entry_id],
      // Planned for its values, so that days outside of them are not looked at.
      read: (walk) => runPlanned(reader, along(entries.selectAll('entry'), NEWEST_FIRST, walk)),
    },
    page,
  )
}
