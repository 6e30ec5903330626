// Leaves, tiles, cursors and the signed checkpoint over them, in the one transaction that they are sealed by.
import type { CompiledQuery } from 'kysely'
import { statement } from '#database/connect.ts'
import type { Transaction } from '#database/transaction.ts'
import { checkpointText } from '../note/checkpoint.ts'
import { signNote } from '../note/signed-note.ts'
import type { Signer } from '../note/signing-key.ts'
import { appendLeaves, type Edge, rootOf } from '../tree/edge.ts'
import { leafHash } from '../tree/hash.ts'

/** A leaf: an event with its place, or an entry of the log itself. */
export type Leaf = {
  readonly entry: Buffer
  readonly event: { readonly shard: number; readonly shardPosition: bigint; readonly eventId: string } | null
}

export type Sealed = { readonly edge: Edge; readonly root: Buffer; readonly note: string }

/** `last`: the statement that is to be the transaction's last. */
export type SealedSoFar = { readonly sealed: Sealed; readonly last: CompiledQuery<unknown> }

export type SealingLog = { readonly logNumber: number; readonly origin: string; readonly signers: readonly Signer[] }

/** Sends all but the last statement, which is the caller's to commit with. The note exists in this process only until then. */
export async function sealLeaves(
  { run }: Pick<Transaction, 'run'>,
  { logNumber, origin, signers }: SealingLog,
  edge: Edge,
  leaves: readonly Leaf[],
): Promise<SealedSoFar> {
  const grown = appendLeaves(
    edge,
    leaves.map(({ entry }) => leafHash(entry)),
  )
  const { size } = grown.edge
  const root = rootOf(grown.edge)
  const note = signNote(checkpointText({ origin, size, root }), signers)
  await Promise.all([
    run(insertLeaves(logNumber, edge.size, leaves)),
    run(
      statement(
        `INSERT INTO audit.tile (log_number, level, tile_index, hashes)
         SELECT $1, u.* FROM unnest($2::smallint[], $3::bigint[], $4::bytea[]) AS u
             ON CONFLICT (log_number, level, tile_index) DO UPDATE SET hashes = excluded.hashes`,
        [
          logNumber,
          grown.tiles.map(({ level }) => level),
          grown.tiles.map(({ index }) => index),
          grown.tiles.map(({ hashes }) => hashes),
        ],
      ),
    ),
    run(moveCursors(logNumber, leaves)),
    run(
      statement('INSERT INTO audit.checkpoint (log_number, size, root, note) VALUES ($1, $2, $3, $4)', [
        logNumber,
        size,
        root,
        note,
      ]),
    ),
  ])
  const last = statement('UPDATE audit.log SET size = $2, root = $3, refusal = NULL WHERE log_number = $1', [
    logNumber,
    size,
    root,
  ])
  return { sealed: { edge: grown.edge, root, note }, last }
}

function insertLeaves(logNumber: number, from: number, leaves: readonly Leaf[]): CompiledQuery<unknown> {
  return statement(
    `INSERT INTO audit.leaf (log_number, leaf_index, shard, shard_position, entry)
     SELECT $1, $2 + u.ordinality - 1, u.shard, u.shard_position, u.entry
       FROM unnest($3::smallint[], $4::bigint[], $5::bytea[]) WITH ORDINALITY AS u (shard, shard_position, entry)`,
    [
      logNumber,
      from,
      leaves.map(({ event }) => event?.shard ?? null),
      leaves.map(({ event }) => event?.shardPosition ?? null),
      leaves.map(({ event, entry }) => (event === null ? entry : null)),
    ],
  )
}

function moveCursors(logNumber: number, leaves: readonly Leaf[]): CompiledQuery<unknown> {
  const lasts = new Map(leaves.flatMap(({ event }) => (event === null ? [] : [[event.shard, event] as const])))
  const events = [...lasts.values()]
  return statement(
    `INSERT INTO audit.cursor (log_number, shard, shard_position, event_id)
     SELECT $1, u.* FROM unnest($2::smallint[], $3::bigint[], $4::text[]) AS u
         ON CONFLICT (log_number, shard) DO UPDATE SET shard_position = excluded.shard_position, event_id = excluded.event_id`,
    [
      logNumber,
      events.map(({ shard }) => shard),
      events.map(({ shardPosition }) => shardPosition),
      events.map(({ eventId }) => eventId),
    ],
  )
}
