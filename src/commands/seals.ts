// Secrets that can be shown again, in the vault: kept with the event that issues their code, destroyed with the one that retires
// it, always in one transaction.
import type { CompiledQuery } from 'kysely'
import { statement } from '#database/connect.ts'
import { newlyRetired } from '#domain/key/retired-codes.ts'
import type { KeyspaceRules } from '#domain/keyspace/rules.ts'
import type { Stream, StreamKind } from '#domain/streams.ts'
import { type Seal, seal, unseal } from '#secret/seal.ts'
import type { Secret } from '#secret/secret.ts'
import type { DecideStep } from './command.ts'

/** Where codes belong. */
export type Where = { readonly keyspaceId: string; readonly rules: KeyspaceRules }

/** The statements that keep these secrets, by the id of their code; none where the keyspace shows them only once. */
export function keep(step: DecideStep, where: Where, secrets: ReadonlyMap<string, Secret>): readonly CompiledQuery[] {
  if (where.rules.secretDisplay === 'ONCE' || secrets.size === 0) return []
  const seals = [...secrets].map(([codeId, secret]) => ({ codeId, ...seal(step.services.keyring, secret, codeId) }))
  return [
    statement(
      `INSERT INTO vault.sealed_secret (shard, code_id, keyspace_id, secret_id, nonce, ciphertext)
       SELECT $1, u.code_id, $2, u.secret_id, u.nonce, u.ciphertext
         FROM unnest($3::text[], $4::text[], $5::bytea[], $6::bytea[]) AS u (code_id, secret_id, nonce, ciphertext)`,
      [
        step.shard,
        where.keyspaceId,
        seals.map(({ codeId }) => codeId),
        seals.map(({ secretId }) => secretId),
        seals.map(({ nonce }) => nonce),
        seals.map(({ ciphertext }) => ciphertext),
      ],
    ),
  ]
}

/** The kept secret of a code; undefined where there is none. Holds as long as the key's lock. */
export async function kept(step: DecideStep, codeId: string): Promise<Secret | undefined> {
  const [row] = await step.transaction.run(
    statement<Omit<Seal, 'secretId'> & { readonly secret_id: string }>(
      'SELECT secret_id, nonce, ciphertext FROM vault.sealed_secret WHERE shard = $1 AND code_id = $2',
      [step.shard, codeId],
    ),
  )
  return row && unseal(step.services.keyring, { ...row, secretId: row.secret_id }, codeId)
}

/**
 * The statements that destroy what a change of a stream retires. Derived from the states, by the write path itself, so that no
 * command can forget it: a code is retired in many ways.
 */
export function destroyed(shard: number, before: Stream, after: Stream): readonly CompiledQuery[] {
  if (is(before, 'key') && is(after, 'key')) {
    const codeIds = newlyRetired(before.state, after.state)
    if (codeIds.length === 0) return []
    return [statement('DELETE FROM vault.sealed_secret WHERE shard = $1 AND code_id = ANY ($2)', [shard, codeIds])]
  }
  if (is(before, 'keyspace') && is(after, 'keyspace') && reveals(before) && !reveals(after))
    return [statement('DELETE FROM vault.sealed_secret WHERE shard = $1 AND keyspace_id = $2', [shard, after.id])]
  return []
}

function reveals({ state }: Stream<'keyspace'>): boolean {
  return state.status === 'active' && state.rules.secretDisplay === 'REVEALABLE'
}

function is<Kind extends StreamKind>(stream: Stream, kind: Kind): stream is Stream & Stream<Kind> {
  return stream.kind === kind
}
