// Kept secrets made anew under the newest secret of the server, while commands go on. A seal changes in one place only, in which
// it is either the old or the new one, so that wherever this ends nothing is lost, and the next run goes on from there.
import { type Database, send, statement } from '#database/connect.ts'
import type { Keyring } from '#secret/keyring.ts'
import { type Seal, SealBrokenError, seal, unseal } from '#secret/seal.ts'

export type Resealed = {
  readonly seals: number
  /** Of these codes the seal was not made by this server: left as it was. */
  readonly brokenCodeIds: readonly string[]
}

type Row = {
  readonly shard: number
  readonly code_id: string
  readonly secret_id: string
  readonly nonce: Buffer
  readonly ciphertext: Buffer
}
type Renewed = { readonly before: Row; readonly after: Seal }

/** Small, as its rows are locked until it is committed. */
const BATCH_ROWS = 200

/** Ends when a whole pass has found nothing to do: what commands meanwhile made under an older secret is met too. */
export async function resealAll(database: Database, keyring: Keyring): Promise<Resealed> {
  const brokenCodeIds = new Set<string>()
  let seals = 0
  for (;;) {
    const inPass = await resealOnce(database, keyring, brokenCodeIds)
    if (inPass === 0) return { seals, brokenCodeIds: [...brokenCodeIds] }
    seals += inPass
  }
}

async function resealOnce(database: Database, keyring: Keyring, broken: Set<string>): Promise<number> {
  let renewed = 0
  let last: Pick<Row, 'shard' | 'code_id'> = { shard: -1, code_id: '' }
  for (;;) {
    const rows = await send(
      database.pool,
      statement<Row>(
        `SELECT shard, code_id, secret_id, nonce, ciphertext FROM vault.sealed_secret
          WHERE secret_id <> $1 AND (shard, code_id) > ($2, $3) ORDER BY shard, code_id LIMIT $4`,
        [keyring.newest.id, last.shard, last.code_id, BATCH_ROWS],
      ),
    )
    const lastOfBatch = rows.at(-1)
    if (lastOfBatch === undefined) return renewed
    last = lastOfBatch
    renewed += await replace(
      database,
      rows.flatMap((row) => renew(keyring, row, broken)),
    )
  }
}

function renew(keyring: Keyring, before: Row, broken: Set<string>): readonly Renewed[] {
  try {
    const secret = unseal(keyring, { ...before, secretId: before.secret_id }, before.code_id)
    return [{ before, after: seal(keyring, secret, before.code_id) }]
  } catch (error) {
    if (!(error instanceof SealBrokenError)) throw error
    broken.add(before.code_id)
    return []
  }
}

/**
 * Puts each in the place of the very seal it was made from. What was destroyed meanwhile stays destroyed, and what a command
 * holds is left to the next pass: this never waits while it holds locks itself, so that it can't be part of a deadlock.
 */
async function replace(database: Database, renewed: readonly Renewed[]): Promise<number> {
  const rows = await send(
    database.pool,
    statement(
      `WITH held AS (
         SELECT s.shard, s.code_id, u.secret_id, u.nonce, u.ciphertext
           FROM unnest($1::smallint[], $2::text[], $3::bytea[], $4::text[], $5::bytea[], $6::bytea[])
                AS u (shard, code_id, old_nonce, secret_id, nonce, ciphertext)
           JOIN vault.sealed_secret s ON s.shard = u.shard AND s.code_id = u.code_id AND s.nonce = u.old_nonce
            FOR UPDATE OF s SKIP LOCKED)
       UPDATE vault.sealed_secret s SET secret_id = h.secret_id, nonce = h.nonce, ciphertext = h.ciphertext
         FROM held h WHERE s.shard = h.shard AND s.code_id = h.code_id RETURNING 1`,
      [
        renewed.map(({ before }) => before.shard),
        renewed.map(({ before }) => before.code_id),
        renewed.map(({ before }) => before.nonce),
        renewed.map(({ after }) => after.secretId),
        renewed.map(({ after }) => after.nonce),
        renewed.map(({ after }) => after.ciphertext),
      ],
    ),
  )
  return rows.length
}
