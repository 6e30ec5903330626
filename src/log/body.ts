// The bytes of an event: what auditors hash, and what the MAC is over.
import canonicalize from 'canonicalize'
import type { Actor, Credential } from '#domain/actor.ts'
import type { Instant } from '#domain/instant.ts'
import { invariant } from '#domain/invariant.ts'
import type { AnyFact, StreamKind } from '#domain/streams.ts'

export type EventBody = {
  readonly eventId: string
  readonly accountId: string
  readonly streamId: string
  readonly streamKind: StreamKind
  readonly version: number
  readonly type: AnyFact['type']
  readonly schemaVersion: number
  readonly actor: Actor
  /** Of an actor who called by one: a management key itself, or a user whom it acts as. */
  readonly credential: Credential | null
  readonly correlationId: string
  /** The command's `now`: the database's clock, read with its locks. */
  readonly decidedAt: Instant
  readonly data: AnyFact['data']
  /** Random, so that a published hash of an event tells nothing about what is guessable in it. */
  readonly salt: string
  /** Name to SHA-256 of the ciphertext in `vault`: erasing the ciphertext leaves every hash valid. */
  readonly personal: Readonly<Record<string, string>>
}

/** RFC 8785 (JSON Canonicalization Scheme), UTF-8. */
export function encodeBody(body: EventBody): Buffer {
  const text = canonicalize(body)
  invariant(text !== undefined, 'an event body is JSON')
  return Buffer.from(text, 'utf8')
}
