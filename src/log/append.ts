// The one way into the log.
import type { CompiledQuery } from 'kysely'
import { statement } from '#database/connect.ts'
import { invariant } from '#domain/invariant.ts'
import type { Keyring } from '#secret/keyring.ts'
import { macOf } from '#secret/mac.ts'
import { type EventBody, encodeBody } from './body.ts'

/** SQLSTATE of an append to a stream that is not at the version its events follow. */
export const STREAM_MOVED_ON = 'KL001'

/**
 * The statement that appends the events of one command, in order, all of one account, actor, credential and `now`. It must be the last
 * of its transaction: the counters it locks are what every other append of the shard waits for. Answers the position of the
 * last event.
 */
export function append(
  keyring: Keyring,
  shard: number,
  bodies: readonly EventBody[],
): CompiledQuery<{ append: bigint }> {
  const [first] = bodies
  invariant(first !== undefined, 'there is something to append')
  const encoded = bodies.map(encodeBody)
  const macs = encoded.map((body) => macOf(keyring, body).mac)
  return statement('SELECT log.append($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)', [
    shard,
    first.accountId,
    first.actor.kind,
    first.actor.id,
    first.credential?.keyId ?? null,
    first.credential?.codeId ?? null,
    first.correlationId,
    first.decidedAt,
    bodies.map((body) => body.streamId),
    bodies.map((body) => body.streamKind),
    bodies.map((body) => body.version),
    bodies.map((body) => body.eventId),
    bodies.map((body) => body.type),
    bodies.map((body) => body.schemaVersion),
    encoded,
    macs,
    keyring.newest.id,
  ])
}
