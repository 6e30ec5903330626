// Read model: the rotation history, complete and for ever.
import type { RotationTable } from '#database/tables.ts'
import { knownShardOf } from '#domain/ids.ts'
import { invariant } from '#domain/invariant.ts'
import type { Stream } from '#domain/streams.ts'
import type { TableSpec } from './row-writer.ts'

export const rotationTable: TableSpec = {
  name: 'rotation',
  key: ['shard', 'rotation_id'],
  stream: 'key_id',
  columns: [
    'shard',
    'rotation_id',
    'account_id',
    'key_id',
    'ordinal',
    'slot',
    'retired_code_id',
    'replacement_code_id',
    'rotated_at',
    'rotated_by_kind',
    'rotated_by_id',
  ],
}

/** Rows of the rotations that `before` did not have; a rotation never changes. */
export function rotationRows(before: Stream<'key'>, { id, accountId, state }: Stream<'key'>): readonly RotationTable[] {
  invariant(state.status !== 'none', 'a key with events exists')
  const known = before.state.status === 'none' ? 0 : before.state.rotations.length
  return state.rotations.slice(known).map((rotation, index) => ({
    shard: knownShardOf(accountId),
    rotation_id: rotation.rotationId,
    account_id: accountId,
    key_id: id,
    ordinal: known + index + 1,
    slot: rotation.slot,
    retired_code_id: rotation.retiredCodeId,
    replacement_code_id: rotation.replacementCodeId,
    rotated_at: rotation.rotatedAt,
    rotated_by_kind: rotation.rotatedBy.kind,
    rotated_by_id: rotation.rotatedBy.id,
  }))
}
