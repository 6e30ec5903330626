// The default keys of users: made with the user, in the place of one that was revoked, and for users who are without one. In
// events they are the system's doing, whoever caused it: nobody asked for this very key.
import type { CompiledQuery } from 'kysely'
import { statement } from '#database/connect.ts'
import { invariant } from '#domain/invariant.ts'
import { decideKey } from '#domain/key/decide.ts'
import { defaultKeyOf } from '#domain/key/default-key.ts'
import { newStream } from '#domain/streams.ts'
import { STREAM_MOVED_ON } from '#log/append.ts'
import { newId } from '#secret/ids.ts'
import type { Secret } from '#secret/secret.ts'
import { type Change, type DecideStep, type LocateStep, streamOf } from './command.ts'
import { mintCodes, plaintextsOf } from './mint-code.ts'
import type { Where } from './seals.ts'

/** What makes keys, as part of a command. */
export type MadeKeys = {
  readonly changes: readonly Change[]
  readonly keyIds: readonly string[]
  readonly issuedCodeIds: readonly string[]
  readonly secrets: ReadonlyMap<string, Secret>
  readonly vault: readonly CompiledQuery[]
}

export const NO_KEYS: MadeKeys = { changes: [], keyIds: [], issuedCodeIds: [], secrets: new Map(), vault: [] }

/** SQL: whether the keyspace `s` has default keys. */
export const HAS_DEFAULT_KEYS = `s.rules ->> 'defaultKeys' = 'true' AND s.deleted_at IS NULL`

/** One for the user, who is locked, as is the keyspace; its rules, which allow that, hold now. */
export async function makeDefaultKey(step: DecideStep, where: Where, userId: string): Promise<MadeKeys> {
  const { keyspaceId, rules } = where
  const stream = newStream('key', newId('key', step.shard), step.accountId)
  const minted = await mintCodes(
    step,
    where,
    Array.from({ length: rules.codesAtCreation }, () => ({})),
  )
  const decision = decideKey(
    {
      type: 'CreateKey',
      now: step.now,
      rules,
      keyspaceId,
      details: defaultKeyOf(userId, rules),
      policies: [],
      enabled: true,
      isDefault: true,
      codes: minted.map(({ request }) => request),
      activeKeyCount: 0,
    },
    stream.state,
  )
  invariant(decision.kind === 'accepted', 'rules that allow default keys refuse none')
  return {
    changes: [{ stream, facts: decision.facts, actor: { kind: 'SYSTEM', id: null } }],
    keyIds: [stream.id],
    issuedCodeIds: minted.map(({ request }) => request.codeId),
    ...plaintextsOf(step, where, minted),
  }
}

/** Ids of the account's keyspaces that have default keys, as far as has been committed: exact under the account's lock. */
export async function keyspacesWithDefaultKeys(
  { transaction }: Pick<LocateStep, 'transaction'>,
  shard: number,
  accountId: string,
): Promise<readonly string[]> {
  const rows = await transaction.run(
    statement<{ keyspace_id: string }>(
      `SELECT s.keyspace_id FROM state.keyspace s
        WHERE s.shard = $1 AND s.account_id = $2 AND ${HAS_DEFAULT_KEYS} ORDER BY s.keyspace_id`,
      [shard, accountId],
    ),
  )
  return rows.map(({ keyspace_id }) => keyspace_id)
}

/**
 * One in every keyspace of the account that has them, for a user who is just being added. The account is locked exclusively, as
 * by whoever switches the rule on, so that neither misses the other. Starts the command over where a keyspace has the rule that
 * had not when the locks were chosen.
 */
export async function makeDefaultKeys(step: DecideStep, userId: string): Promise<MadeKeys> {
  let made = NO_KEYS
  for (const keyspaceId of await keyspacesWithDefaultKeys(step, step.shard, step.accountId)) {
    const keyspace = streamOf(step, 'keyspace', keyspaceId)?.state
    if (keyspace?.status !== 'active' || !keyspace.rules.defaultKeys)
      throw Object.assign(new Error('A keyspace has got default keys meanwhile'), { code: STREAM_MOVED_ON })
    made = together(made, await makeDefaultKey(step, { keyspaceId, rules: keyspace.rules }, userId))
  }
  return made
}

function together(some: MadeKeys, more: MadeKeys): MadeKeys {
  return {
    changes: [...some.changes, ...more.changes],
    keyIds: [...some.keyIds, ...more.keyIds],
    issuedCodeIds: [...some.issuedCodeIds, ...more.issuedCodeIds],
    secrets: new Map([...some.secrets, ...more.secrets]),
    vault: [...some.vault, ...more.vault],
  }
}
