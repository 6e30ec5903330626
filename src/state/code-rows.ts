// Read model: every code that was ever issued, which is also what a presented secret is looked up in.
import type { CodeTable } from '#database/tables.ts'
import { knownShardOf } from '#domain/ids.ts'
import { invariant } from '#domain/invariant.ts'
import type { Code } from '#domain/key/state.ts'
import type { Stream } from '#domain/streams.ts'
import type { TableSpec } from './row-writer.ts'

export const codeTable: TableSpec = {
  name: 'code',
  key: ['shard', 'code_id'],
  stream: 'key_id',
  columns: [
    'shard',
    'code_id',
    'account_id',
    'keyspace_id',
    'key_id',
    'ordinal',
    'slot',
    'hint',
    'description',
    'digest',
    'digest_secret_id',
    'enabled',
    'issued_at',
    'issued_by_kind',
    'issued_by_id',
    'expires_at',
    'replaced_at',
    'replaced_by_id',
    'overlap_ends_at',
    'deleted_at',
  ],
}

type CodeRow = Omit<CodeTable, 'digest'> & { readonly digest: string }

/** Rows of the codes that differ from `before`: folding leaves the identity of untouched ones alone. */
export function codeRows(before: Stream<'key'>, { id, accountId, state }: Stream<'key'>): readonly CodeRow[] {
  invariant(state.status !== 'none', 'a key with events exists')
  const known = before.state.status === 'none' ? [] : before.state.codes
  return state.codes.flatMap((code, index) =>
    code === known[index] ? [] : [codeRow(accountId, state.keyspaceId, id, index + 1, code)],
  )
}

function codeRow(accountId: string, keyspaceId: string, keyId: string, ordinal: number, code: Code): CodeRow {
  return {
    shard: knownShardOf(accountId),
    code_id: code.codeId,
    account_id: accountId,
    keyspace_id: keyspaceId,
    key_id: keyId,
    ordinal,
    slot: code.slot,
    hint: code.hint,
    description: code.description,
    digest: `\\x${code.digest}`,
    digest_secret_id: code.secretId,
    enabled: code.enabled,
    issued_at: code.issuedAt,
    issued_by_kind: code.issuedBy.kind,
    issued_by_id: code.issuedBy.id,
    expires_at: code.expiresAt,
    replaced_at: code.replacedAt,
    replaced_by_id: code.replacedById,
    overlap_ends_at: code.overlapEndsAt,
    deleted_at: code.deletedAt,
  }
}
