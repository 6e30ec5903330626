// Rows of state as they were: made of past streams by what makes the rows of today, and marked with the moment that they are of, so
// that nothing which is read by way of them mixes then and now.
import type {
  AccountTable,
  CodeTable,
  KeyspaceTable,
  KeyTable,
  LinkTable,
  PolicyTable,
  RotationTable,
  UserTable,
} from '#database/tables.ts'
import type { Instant } from '#domain/instant.ts'
import { newStream, type Stream, type StreamKind } from '#domain/streams.ts'
import { accountRow } from '#state/account-rows.ts'
import { codeRows } from '#state/code-rows.ts'
import { keyRow } from '#state/key-rows.ts'
import { keyspaceRow } from '#state/keyspace-rows.ts'
import { linkRow } from '#state/link-rows.ts'
import { policyRow } from '#state/policy-rows.ts'
import { rotationRows } from '#state/rotation-rows.ts'
import { userRow } from '#state/user-rows.ts'

/** `asOf`: the moment of the past that a row is of; absent: it is of now. */
export type AsItWas<Row> = Row & { readonly asOf?: Instant }

export function asItWas<Row>(row: Row, at: Instant): AsItWas<Row> {
  return { ...row, asOf: at }
}

type RowOf = {
  account: AccountTable
  keyspace: KeyspaceTable
  key: KeyTable
  link: LinkTable
  policy: PolicyTable
  user: UserTable
}

const ROWS: { readonly [Kind in StreamKind]: (stream: Stream<Kind>) => RowOf[Kind] } = {
  account: accountRow,
  keyspace: keyspaceRow,
  key: keyRow,
  link: linkRow,
  policy: policyRow,
  user: userRow,
}

/** Null where it was not there yet, or is something else. */
export function pastRow<Kind extends StreamKind>(
  kind: Kind,
  stream: Stream | null,
  at: Instant,
): AsItWas<RowOf[Kind]> | null {
  return isOf(kind, stream) ? asItWas(ROWS[kind](stream), at) : null
}

/** Every code that the key had been given, the oldest first, without digests. */
export function pastCodes(
  stream: Stream | null,
  at: Instant,
): readonly AsItWas<Omit<CodeTable, 'digest' | 'digest_secret_id'>>[] {
  if (!isOf('key', stream)) return []
  return codeRows(nothingOf(stream), stream).map(({ digest: _, digest_secret_id: __, ...code }) => asItWas(code, at))
}

/** The oldest first. */
export function pastRotations(stream: Stream | null, at: Instant): readonly AsItWas<RotationTable>[] {
  if (!isOf('key', stream)) return []
  return rotationRows(nothingOf(stream), stream).map((rotation) => asItWas(rotation, at))
}

function nothingOf(stream: Stream<'key'>): Stream<'key'> {
  return newStream('key', stream.id, stream.accountId)
}

function isOf<Kind extends StreamKind>(kind: Kind, stream: Stream | null): stream is Stream & Stream<Kind> {
  return stream?.kind === kind
}
