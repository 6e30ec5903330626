// Retries of a MEMBER: what they were answered once is answered again only as long as it is about a key of their own.
import { statement } from '#database/connect.ts'
import { shardOf } from '#domain/ids.ts'
import type { KeyManagers } from '#domain/keyspace/rules.ts'
import { confinedTo, sees } from '#domain/member.ts'
import type { Located, LocateStep } from './command.ts'

/** SQL: what tells, beside the caller, whether the key `k` of the keyspace `s` is there for them. */
export const OWNERSHIP = `k.owner_id, s.rules ->> 'managedBy' AS managed_by`

export type Ownership = { readonly owner_id: string | null; readonly managed_by: KeyManagers }

/** Whether what an earlier outcome tells of is there for the caller now; to anybody but a MEMBER it is. */
export async function seesOutcome(step: LocateStep, located: Located, result: unknown): Promise<boolean> {
  const { caller } = step.origin
  if (confinedTo(caller) === null) return true
  if (!('locks' in located)) return false
  const keyId = keyIn(result)
  // About a code: it was located, and so is theirs.
  if (keyId === undefined) return true
  const [row] = await step.transaction.run(
    statement<Ownership>(
      `SELECT ${OWNERSHIP} FROM state.keyspace s JOIN state.key k USING (shard, keyspace_id)
        WHERE k.shard = $1 AND k.key_id = $2`,
      [shardOf(keyId), keyId],
    ),
  )
  return row !== undefined && sees(caller, row.owner_id, { managedBy: row.managed_by })
}

/** All that a NOT_FOUND may repeat of the input. */
export function namedBy(located: Located): string | null {
  if ('locks' in located) return located.namedId
  return 'notFound' in located ? located.notFound : null
}

function keyIn(result: unknown): string | undefined {
  const { keyId } = (result ?? {}) as { readonly keyId?: unknown }
  return typeof keyId === 'string' ? keyId : undefined
}
