// From streams to rows. Every row folds exactly one stream, so a stream's rows follow from its state alone.
import { unreachable } from '#domain/invariant.ts'
import { newStream, type Stream } from '#domain/streams.ts'
import { accountRow, accountTable } from './account-rows.ts'
import { codeRows, codeTable } from './code-rows.ts'
import { keyRow, keyTable } from './key-rows.ts'
import { keyspaceRow, keyspaceTable } from './keyspace-rows.ts'
import { linkRow, linkTable } from './link-rows.ts'
import { policyRow, policyTable } from './policy-rows.ts'
import { rotationRows, rotationTable } from './rotation-rows.ts'
import type { TableRows, TableSpec } from './row-writer.ts'
import { userRow, userTable } from './user-rows.ts'

/** In the order in which everyone locks them: see rebuild.ts. */
export const stateTables: readonly TableSpec[] = [
  accountTable,
  keyspaceTable,
  keyTable,
  codeTable,
  rotationTable,
  linkTable,
  policyTable,
  userTable,
]

/** The rows by which `after` differs from `before`, grouped by table. */
export function changedRows(before: Stream, after: Stream): readonly TableRows[] {
  return rowsOf(before, after).filter(({ rows }) => rows.length > 0)
}

/** All rows of a stream. */
export function allRows(stream: Stream): readonly TableRows[] {
  return changedRows(newStream(stream.kind, stream.id, stream.accountId), stream)
}

function rowsOf(before: Stream, after: Stream): readonly TableRows[] {
  if (is(after, 'account')) return [{ table: accountTable, rows: [accountRow(after)] }]
  if (is(after, 'keyspace')) return [{ table: keyspaceTable, rows: [keyspaceRow(after)] }]
  if (is(after, 'key') && is(before, 'key'))
    return [
      { table: keyTable, rows: [keyRow(after)] },
      { table: codeTable, rows: codeRows(before, after) },
      { table: rotationTable, rows: rotationRows(before, after) },
    ]
  if (is(after, 'link')) return [{ table: linkTable, rows: [linkRow(after)] }]
  if (is(after, 'policy')) return [{ table: policyTable, rows: [policyRow(after)] }]
  if (is(after, 'user')) return [{ table: userTable, rows: [userRow(after)] }]
  return unreachable(after as never)
}

function is<Kind extends Stream['kind']>(stream: Stream, kind: Kind): stream is Stream & Stream<Kind> {
  return stream.kind === kind
}
