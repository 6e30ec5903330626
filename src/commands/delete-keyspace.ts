// deleteKeyspace: only an empty one can go; its history stays.
import { z } from 'zod'
import { statement } from '#database/connect.ts'
import { decideKeyspace } from '#domain/keyspace/decide.ts'
import type { Command, DecideStep } from './command.ts'
import { idInput, versioned } from './input.ts'
import { accountOfKeyspace, keyspaceStreamOf, refusedKeyspace } from './keyspace-command.ts'

const input = z.object({ keyspaceId: idInput, ...versioned })

export const deleteKeyspace: Command<z.infer<typeof input>, { readonly keyspaceId: string }> = {
  name: 'deleteKeyspace',
  permission: 'keyspaces.write',
  input,
  async locate(step, { keyspaceId }) {
    const accountId = await accountOfKeyspace(step, keyspaceId)
    if (accountId === undefined) return { notFound: keyspaceId }
    const locks = [{ id: keyspaceId, exclusive: true }]
    return { accountId, subjectId: keyspaceId, namedId: keyspaceId, locks }
  },
  async decide(step, { keyspaceId }) {
    const stream = keyspaceStreamOf(step, keyspaceId)
    const inhabited = await isInhabited(step, keyspaceId)
    const decision = decideKeyspace({ type: 'DeleteKeyspace', inhabited }, stream.state)
    if (decision.kind === 'refused') return refusedKeyspace(decision.refusal)
    return { kind: 'accepted', changes: [{ stream, facts: decision.facts }], result: { keyspaceId } }
  },
}

/**
 * Whether it has keys that are not deleted, or links. Exact, because whoever creates a key in it, or links one into it, holds its
 * lock, if only shared.
 */
async function isInhabited(step: DecideStep, keyspaceId: string): Promise<boolean> {
  const rows = await step.transaction.run(
    statement(
      `(SELECT 1 FROM state.key WHERE shard = $1 AND keyspace_id = $2 AND deleted_at IS NULL LIMIT 1)
       UNION ALL
       (SELECT 1 FROM state.link WHERE shard = $1 AND keyspace_id = $2 AND unlinked_at IS NULL LIMIT 1)`,
      [step.shard, keyspaceId],
    ),
  )
  return rows.length > 0
}
