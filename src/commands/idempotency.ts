// Safe retries: the same idempotency key and input, from the same caller by the same mutation, answer with the first outcome.
// Claiming comes first in the transaction, so that a concurrent twin waits for the outcome instead of deciding too; a refusal
// rolls the claim back, so only successes are remembered.
import canonicalize from 'canonicalize'
import { statement } from '#database/connect.ts'
import type { Reading, Transaction } from '#database/transaction.ts'
import type { Caller } from '#domain/caller.ts'
import { knownShardOf } from '#domain/ids.ts'
import { invariant } from '#domain/invariant.ts'
import { sameDigest } from '#secret/digest.ts'
import { fingerprint, idempotencyKeysOf } from '#secret/fingerprint.ts'
import type { Keyring } from '#secret/keyring.ts'
import type { CommonInput } from './command.ts'

/** What a retry is answered from. */
export type Remembered = {
  readonly accountId: string
  readonly result: unknown
  readonly eventIds: readonly string[]
}

export type Claim =
  | { readonly kind: 'claimed'; remember(outcome: Remembered): Promise<unknown> }
  | { readonly kind: 'replay'; readonly outcome: Remembered }
  | { readonly kind: 'reused' }

type Scope = { readonly shard: number; readonly caller: string; readonly mutation: string }

/**
 * Claims the input's idempotency key; undefined where it has none. Where two instances write under different newest secrets
 * (while one is being introduced) both claim under every secret they know, in the order of the bytes, and so still meet.
 */
export async function claim(
  transaction: Transaction,
  keyring: Keyring,
  caller: Caller,
  mutation: string,
  input: CommonInput,
): Promise<Claim | undefined> {
  const asked = requestOf(keyring, input)
  if (asked === undefined) return undefined
  const scope = scopeOf(caller, mutation)
  const { text, keys } = asked
  const digests = keys.map(({ key }) => key)
  const claimed = await transaction.run(
    statement<{ key_digest: Buffer }>(
      `INSERT INTO vault.idempotency (shard, caller, mutation, key_digest, secret_id, fingerprint)
       SELECT $1, $2, $3, u.key_digest, u.secret_id, u.fingerprint
         FROM unnest($4::bytea[], $5::text[], $6::bytea[]) AS u (key_digest, secret_id, fingerprint)
       ON CONFLICT DO NOTHING RETURNING key_digest`,
      [
        scope.shard,
        scope.caller,
        scope.mutation,
        digests,
        keys.map(({ secretId }) => secretId),
        keys.map(({ secretId }) => fingerprint(keyring, secretId, text)),
      ],
    ),
  )
  if (claimed.length === keys.length) return { kind: 'claimed', remember: rememberer(transaction, scope, digests) }
  const met = await earlier(transaction, keyring, scope, digests, text)
  invariant(met, 'what a claim met was committed with its outcome')
  return met
}

/** What the idempotency key would meet now: an earlier outcome, another request, or nothing. Claims nothing. */
export async function recall(
  reading: Reading,
  keyring: Keyring,
  caller: Caller,
  mutation: string,
  input: CommonInput,
): Promise<Exclude<Claim, { readonly kind: 'claimed' }> | undefined> {
  const asked = requestOf(keyring, input)
  if (asked === undefined) return undefined
  const digests = asked.keys.map(({ key }) => key)
  return earlier(reading, keyring, scopeOf(caller, mutation), digests, asked.text)
}

/** The request as it is compared, and its key under every secret, in the order of the bytes. */
function requestOf(keyring: Keyring, { idempotencyKey, ...request }: CommonInput) {
  if (idempotencyKey === undefined || idempotencyKey === null) return undefined
  const text = canonicalize(request)
  invariant(text !== undefined, 'an input is JSON')
  return { text, keys: idempotencyKeysOf(keyring, idempotencyKey).toSorted((a, b) => a.key.compare(b.key)) }
}

/** Root has no shard of its own, as it belongs to no account. */
function scopeOf(caller: Caller, mutation: string): Scope {
  if (caller.kind === 'ROOT') return { shard: 0, caller: 'root', mutation }
  const id = caller.kind === 'KEY' ? caller.keyId : caller.userId
  return { shard: knownShardOf(id), caller: id, mutation }
}

function rememberer(transaction: Transaction, scope: Scope, digests: readonly Buffer[]) {
  return (outcome: Remembered) =>
    transaction.run(
      statement(
        `UPDATE vault.idempotency SET outcome = $5
          WHERE shard = $1 AND caller = $2 AND mutation = $3 AND key_digest = ANY ($4)`,
        [scope.shard, scope.caller, scope.mutation, digests, JSON.stringify(outcome)],
      ),
    )
}

async function earlier(
  reading: Reading,
  keyring: Keyring,
  scope: Scope,
  digests: readonly Buffer[],
  text: string,
): Promise<Exclude<Claim, { readonly kind: 'claimed' }> | undefined> {
  // A statement of its own, so that its snapshot is later than the wait for a twin.
  const [row] = await reading.run(
    statement<{ secret_id: string; fingerprint: Buffer; outcome: Remembered | null }>(
      `SELECT secret_id, fingerprint, outcome FROM vault.idempotency
        WHERE shard = $1 AND caller = $2 AND mutation = $3 AND key_digest = ANY ($4) AND outcome IS NOT NULL LIMIT 1`,
      [scope.shard, scope.caller, scope.mutation, digests],
    ),
  )
  if (row?.outcome == null) return undefined
  if (!sameDigest(row.fingerprint, fingerprint(keyring, row.secret_id, text))) return { kind: 'reused' }
  return { kind: 'replay', outcome: row.outcome }
}
