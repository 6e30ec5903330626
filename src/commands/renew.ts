// What was made under older secrets of the server, made anew under the newest while commands go on: in small batches, each one
// statement, in which a thing is either the old or the new one. Wherever this ends nothing is lost, and the next run goes on there.
import type { CompiledQuery } from 'kysely'
import { type Database, send, statement } from '#database/connect.ts'
import type { Keyring } from '#secret/keyring.ts'
import { SealBrokenError } from '#secret/seal.ts'

/** Where it lies: the shard, and the id of what it belongs to. */
export type Place = { readonly shard: number; readonly id: string }

export type Renewed<Row, After> = { readonly before: Row; readonly after: After }

/** One kind of things. */
export type Kind<Row extends Place, After> = {
  /** SQL: those that are not under the secret $1, after the place $2, $3, in the order of places, the first $4. */
  readonly select: string
  /** Throws SealBrokenError where it was not made by this server. */
  renew(row: Row): After
  /**
   * Puts each in the place of the very one it was made from and returns a row for it. What was destroyed meanwhile stays destroyed,
   * and what a command holds is left to the next pass: it must never wait while it holds locks, so that it can't be part of a deadlock.
   */
  replace(renewed: readonly Renewed<Row, After>[]): CompiledQuery
}

export type Outcome = {
  readonly count: number
  /** Of what was not made by this server: left as it was. */
  readonly brokenIds: readonly string[]
}

/** Small, as its rows are locked until it is committed. */
const BATCH_ROWS = 200

/** Ends when a whole pass has found nothing to do: what commands meanwhile made under an older secret is met too. */
export async function renewAll<Row extends Place, After>(
  database: Database,
  keyring: Keyring,
  kind: Kind<Row, After>,
): Promise<Outcome> {
  const brokenIds = new Set<string>()
  let count = 0
  for (;;) {
    const inPass = await renewOnce(database, keyring, kind, brokenIds)
    if (inPass === 0) return { count, brokenIds: [...brokenIds] }
    count += inPass
  }
}

async function renewOnce<Row extends Place, After>(
  database: Database,
  { newest }: Keyring,
  kind: Kind<Row, After>,
  brokenIds: Set<string>,
): Promise<number> {
  let count = 0
  let last: Place = { shard: -1, id: '' }
  for (;;) {
    const rows = await send(database.pool, statement<Row>(kind.select, [newest.id, last.shard, last.id, BATCH_ROWS]))
    const lastOfBatch = rows.at(-1)
    if (lastOfBatch === undefined) return count
    last = lastOfBatch
    const renewed = rows.flatMap((row) => renewedOf(kind, row, brokenIds))
    if (renewed.length > 0) count += (await send(database.pool, kind.replace(renewed))).length
  }
}

function renewedOf<Row extends Place, After>(
  kind: Kind<Row, After>,
  before: Row,
  brokenIds: Set<string>,
): readonly Renewed<Row, After>[] {
  try {
    return [{ before, after: kind.renew(before) }]
  } catch (error) {
    if (!(error instanceof SealBrokenError)) throw error
    brokenIds.add(before.id)
    return []
  }
}
