// Whether an overlap may be ended: who still uses the code that was replaced. Telemetry, read from beside the rotation.
import { inOverlap } from '#domain/key/code-status.ts'
import type { CodeRow } from '#queries/codes.ts'
import type { RotationRow } from '#queries/rotations.ts'
import { builder } from './builder.ts'
import { CodeUses } from './code-exposure.ts'
import { found } from './found.ts'
import { costOfList } from './limits.ts'
import { Rotation } from './rotation.ts'

const DAYS_SHOWN = 7

/** A rotation in overlap. */
type Open = { readonly rotation: RotationRow; readonly retired: CodeRow & { readonly overlap_ends_at: string } }

const CutOver = builder.objectRef<Open>('CutOver').implement({
  description:
    'Whether everybody has gone over to the replacement. Uses are noted beside the verdicts: up to 5 seconds late, and what a server ' +
    'that is killed had not written is lost. Who uses the code but seldom may still come: silence of a day says nothing of a monthly job.',
  fields: (t) => ({
    endsAt: t.field({
      type: 'DateTime',
      needs: 'parent',
      description: 'When the retired code stops by itself.',
      resolve: ({ retired }) => retired.overlap_ends_at,
    }),
    retiredStillUsed: t.boolean({
      needs: 'parent',
      description: 'Whether the retired code has been used since it was replaced, as far as is known.',
      resolve: async ({ rotation, retired }, _arguments, { loaders }) => {
        const lastUsedAt = await loaders.lastUseOfCode.load(retired.code_id)
        return lastUsedAt !== null && lastUsedAt > rotation.rotated_at
      },
    }),
    retiredLastUsedAt: t.field({
      type: 'DateTime',
      nullable: true,
      needs: 'parent',
      description: 'When the retired code was last used, be it before it was replaced. Null: never.',
      resolve: ({ retired }, _arguments, { loaders }) => loaders.lastUseOfCode.load(retired.code_id),
    }),
    retiredUsesByDay: t.field({
      type: [CodeUses],
      needs: 'parent',
      complexity: costOfList(DAYS_SHOWN),
      description:
        'How often the retired code was used today and on the six days before (UTC), the earliest first; days without a use are left out.',
      resolve: ({ retired }, _arguments, { loaders }) => loaders.recentDaysOfCode.load(retired.code_id),
    }),
    replacementLastUsedAt: t.field({
      type: 'DateTime',
      nullable: true,
      needs: 'parent',
      description: 'When the replacement was last used. Null: never, so that nobody has gone over yet.',
      resolve: ({ rotation }, _arguments, { loaders }) => loaders.lastUseOfCode.load(rotation.replacement_code_id),
    }),
  }),
})

builder.objectField(Rotation, 'cutOver', (t) =>
  t.field({
    type: CutOver,
    nullable: true,
    // Like the last uses of the codes themselves.
    needs: 'parent',
    complexity: 1,
    description:
      'While the retired code still works beside its replacement: whether it is safe to end that. Null once it has stopped, and where ' +
      'it stopped at once.',
    resolve: async (rotation, _arguments, { loaders, reader }) => {
      const [code, key] = await Promise.all([
        loaders.code.load(rotation.retired_code_id),
        loaders.key.load(rotation.key_id),
      ])
      const retired = found(code)
      const { overlap_ends_at: overlapEndsAt } = retired
      const life = { replacedAt: retired.replaced_at, deletedAt: retired.deleted_at, overlapEndsAt }
      if (overlapEndsAt === null || found(key).revoked_at !== null || !inOverlap(life, reader.now)) return null
      return { rotation, retired: { ...retired, overlap_ends_at: overlapEndsAt } }
    },
  }),
)
