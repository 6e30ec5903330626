// The rotation: one code replaced by another.
import type { Actor as ActorShape } from '#domain/actor.ts'
import { listRotations, type RotationRow } from '#queries/rotations.ts'
import { Actor } from './actor.ts'
import { builder } from './builder.ts'
import { AccessCode, CodeSlot } from './code.ts'
import { connectionOf, forward } from './connection.ts'
import { found } from './found.ts'
import { ApiKey } from './key.ts'
import { costOfList, costOfPage } from './limits.ts'
import { Node } from './node.ts'

export const Rotation = builder.objectRef<RotationRow>('Rotation').implement({
  description: 'One replacement of a code by another in the same slot.',
  interfaces: [Node],
  fields: (t) => ({
    key: t.field({
      type: ApiKey,
      needs: 'parent',
      past: true,
      description: 'The key that was rotated.',
      resolve: async ({ key_id }, _arguments, { loaders }) => found(await loaders.key.load(key_id)),
    }),
    slot: t.expose('slot', { type: CodeSlot, needs: 'parent', description: 'The slot that got a new code.' }),
    retired: t.field({
      type: AccessCode,
      needs: 'parent',
      past: true,
      description: 'The code that was replaced.',
      resolve: async ({ retired_code_id }, _arguments, { loaders }) => found(await loaders.code.load(retired_code_id)),
    }),
    replacement: t.field({
      type: AccessCode,
      needs: 'parent',
      past: true,
      description: 'The code that took its place.',
      resolve: async ({ replacement_code_id }, _arguments, { loaders }) =>
        found(await loaders.code.load(replacement_code_id)),
    }),
    rotatedAt: t.expose('rotated_at', { type: 'DateTime', needs: 'parent', description: 'When.' }),
    rotatedBy: t.field({
      type: Actor,
      needs: 'parent',
      past: true,
      description: 'Who rotated it.',
      resolve: (rotation): ActorShape => ({ kind: rotation.rotated_by_kind, id: rotation.rotated_by_id }),
    }),
    overlapEndsAt: t.field({
      type: 'DateTime',
      nullable: true,
      needs: 'parent',
      past: true,
      description:
        'The retired code still verifies before this instant, which another rotation, or disabling or deleting the code, ' +
        'brings forward. Null: it stopped at once.',
      resolve: async ({ retired_code_id }, _arguments, { loaders }) =>
        found(await loaders.code.load(retired_code_id)).overlap_ends_at,
    }),
  }),
})

/** One for each slot: another rotation of it ends the overlap before. */
const OPEN_MAX = 2

builder.objectField(ApiKey, 'openRotations', (t) =>
  t.field({
    type: [Rotation],
    // Part of the key itself, like its codes.
    needs: 'parent',
    complexity: costOfList(OPEN_MAX),
    description:
      'Its rotations of which the retired code still works beside its replacement, the newest first: at most one of each slot, none ' +
      'once the key is revoked.',
    resolve: async ({ key_id }, _arguments, { loaders }) => [...(await loaders.openRotations.load(key_id))],
  }),
)

const RotationConnection = connectionOf(Rotation, 'rotations')

builder.objectField(ApiKey, 'rotations', (t) =>
  t.field({
    type: RotationConnection,
    // Part of the key itself, like its codes.
    needs: 'parent',
    past: true,
    args: forward,
    complexity: costOfPage,
    description: 'All its rotations, the newest first, for ever.',
    resolve: ({ key_id }, page, { reader }) => listRotations(reader, key_id, page),
  }),
)
