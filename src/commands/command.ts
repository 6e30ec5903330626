// What a command is to the write path: one file each states where it happens, what it depends on and how it is decided.
import type { CompiledQuery } from 'kysely'
import type { z } from 'zod'
import type { Clock } from '#database/clock.ts'
import type { Database } from '#database/connect.ts'
import type { Reading } from '#database/transaction.ts'
import type { Actor } from '#domain/actor.ts'
import type { Caller } from '#domain/caller.ts'
import type { Instant } from '#domain/instant.ts'
import { invariant } from '#domain/invariant.ts'
import type { ManagementPermission } from '#domain/permission.ts'
import type { Facts, Stream, StreamKind } from '#domain/streams.ts'
import type { StreamLock } from '#log/load.ts'
import type { Keyring } from '#secret/keyring.ts'
import type { PersonalKey, PersonalValues } from '#secret/personal.ts'
import type { Secret } from '#secret/secret.ts'
import type { Refusal } from './refusal.ts'

export type CommandServices = {
  readonly database: Database
  readonly keyring: Keyring
  readonly clock: Clock
  /** Told when events were committed, so that whoever follows the log looks soon. */
  committed(): void
}

/** Who asks, and in which request. */
export type Origin = { readonly caller: Caller; readonly correlationId: string }

/** What the write path itself reads of an input. */
export type CommonInput = {
  readonly idempotencyKey?: string | null | undefined
  readonly expectedVersion?: number | null | undefined
}

export type Command<Input extends CommonInput, Result> = {
  /** The mutation's name. */
  readonly name: string
  /** What the caller must hold; `root`: only the root key. */
  readonly permission: ManagementPermission | 'root'
  /** It touches nothing but keys that are there for its caller, so that a MEMBER may run it too. */
  readonly heedsOwners?: true
  readonly input: z.ZodType<Input>
  /** Where it happens; NOT_FOUND where the input names nothing. What is another account's is caught by the write path. */
  locate(step: LocateStep, input: Input): Promise<Located>
  /** Gathers what the decider must know, under the locks, and asks it. */
  decide(step: DecideStep, input: Input): Promise<Decided<Result>>
  /**
   * What else must be so before it is answered: seen to in transactions of its own, after every commit, and where nothing was
   * to be changed, and in the answer to a retry, as an earlier try may not have got there. A refusal where it is not so yet.
   */
  afterwards?(step: Omit<LocateStep, 'transaction'>, result: Result): Promise<Refusal | undefined>
  /** What `afterwards` would do, command by command, where it does so by commands. */
  planAfterwards?(step: PlanStep, result: Result): Promise<void>
}

/** Where what follows a command is planned: on the same snapshot, with what the command makes of it. */
export type PlanStep = {
  readonly transaction: Reading
  /** A stream that the command has read, as it will be. */
  streamAfter(id: string): Stream | undefined
  /** Adds what the server would do by a command of its own. False where no more is wanted. */
  plan<Input extends CommonInput, Result>(command: Command<Input, Result>, input: Input): Promise<boolean>
}

export type LocateStep = {
  readonly services: CommandServices
  readonly origin: Origin
  readonly transaction: Reading
}

export type Place = {
  readonly accountId: string
  /** The stream whose version `expectedVersion` is about, and that is not found where it has no events. */
  readonly subjectId: string | null
  /** The id that the input names it by, which is all that a NOT_FOUND may repeat. */
  readonly namedId: string | null
  readonly locks: readonly StreamLock[]
}
/** `refusal`: what is no more the caller's than what is not found, but which they are told more of. */
export type Located = Place | { readonly notFound: string | null } | { readonly refusal: Refusal }

export type DecideStep = LocateStep &
  Place & {
    readonly shard: number
    /** The one `now` of this command: the database's clock, read after its locks were taken. */
    readonly now: Instant
    readonly streams: ReadonlyMap<string, Stream>
  }

/** New facts of one stream; none where its end was already reached. */
export type Change<Kind extends StreamKind = StreamKind> = {
  readonly stream: Stream<Kind>
  readonly facts: readonly Facts[Kind][]
  /** Whose doing they are; absent: the caller's. */
  readonly actor?: Actor
  /** What the facts tell of a person, and their key: goes into the vault encrypted, and into the events as hashes. */
  readonly personal?: { readonly key: PersonalKey; readonly values: ReadonlyMap<Facts[Kind], PersonalValues> }
}

export type Refused = { readonly kind: 'refused'; readonly refusal: Refusal }

export type Decided<Result> =
  | Refused
  | {
      readonly kind: 'accepted'
      readonly changes: readonly Change[]
      /** Ids only: it is kept to answer a retry. */
      readonly result: Result
      /** Plaintexts issued, by the id of their code: for this answer and nowhere else. */
      readonly secrets?: ReadonlyMap<string, Secret>
      /** Written to the vault together with the facts: what must be forgettable, and so is in no event. */
      readonly vault?: readonly CompiledQuery[]
    }

export type Outcome<Result> =
  | Refused
  | {
      readonly kind: 'done'
      readonly result: Result
      readonly accountId: string
      /** In the order of their positions. */
      readonly eventIds: readonly string[]
      /** Empty in the answer to a retry. */
      readonly secrets: ReadonlyMap<string, Secret>
    }

export function refused(refusal: Refusal): Refused {
  return { kind: 'refused', refusal }
}

export function notFound(subjectId: string | null): Refused {
  return refused({ code: 'NOT_FOUND', subjectId })
}

/** A stream that the command has locked, of the kind it must be; undefined where it has no events. */
export function streamOf<Kind extends StreamKind>(step: DecideStep, kind: Kind, id: string): Stream<Kind> | undefined {
  const stream = step.streams.get(id)
  if (stream === undefined) return undefined
  invariant(stream.kind === kind, `${id} is a ${kind}`)
  return stream as Stream<Kind>
}
