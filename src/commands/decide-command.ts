// A command up to its decision: who may ask, where it happens, what it depends on, what is decided. For those who then commit it
// (run-command.ts), and for those who only want to know (plan-command.ts).
import { statement } from '#database/connect.ts'
import type { Actor } from '#domain/actor.ts'
import { type Caller, DenialError, mayDo } from '#domain/caller.ts'
import { knownShardOf } from '#domain/ids.ts'
import { epochMsOf, type Instant, instantOf } from '#domain/instant.ts'
import { confinedTo } from '#domain/member.ts'
import { type AnyFact, evolveStream, type Stream } from '#domain/streams.ts'
import { foldStreams, type StoredEvent } from '#log/load.ts'
import {
  type Command,
  type CommonInput,
  type Decided,
  type DecideStep,
  type Located,
  type LocateStep,
  notFound,
  type Place,
  type Refused,
  refused,
} from './command.ts'

type Demands = Pick<Command<CommonInput, unknown>, 'permission' | 'heedsOwners'>

/** Whether the caller may run such a command, wherever and whatever about. */
export function mayRun(caller: Caller, { permission, heedsOwners }: Demands): boolean {
  const allowed = permission === 'root' ? caller.kind === 'ROOT' : mayDo(caller, permission)
  // What a MEMBER may do is for their own keys: a command that doesn't ask whose they are is none for them.
  return allowed && (confinedTo(caller) === null || heedsOwners === true)
}

/** Throws DenialError. */
export function authorize(caller: Caller, demands: Demands): void {
  if (!mayRun(caller, demands)) throw new DenialError('FORBIDDEN')
}

/** Reads the events of the place's streams, each with the clock. */
export type Read = (
  step: LocateStep,
  place: Place,
  shard: number,
) => Promise<readonly (StoredEvent & { readonly now: Instant })[]>

export type Decision<Result> =
  | Refused
  | {
      readonly kind: 'accepted'
      readonly step: DecideStep
      readonly decided: Extract<Decided<Result>, { kind: 'accepted' }>
    }

/** Decides by what is read there. `overlaid`: streams as they will be, in the place of what was read. */
export async function decideAt<Input extends CommonInput, Result>(
  step: LocateStep,
  command: Command<Input, Result>,
  input: Input,
  located: Located,
  read: Read,
  overlaid: ReadonlyMap<string, Stream> = new Map(),
): Promise<Decision<Result>> {
  const place = placeFor(step.origin.caller, located)
  if ('notFound' in place) return notFound(place.notFound)
  if ('refusal' in place) return refused(place.refusal)
  const loaded = await load(step, place, read, overlaid)
  const subject = place.subjectId === null ? undefined : loaded.streams.get(place.subjectId)
  if (place.subjectId !== null && subject === undefined) return notFound(place.namedId)
  const { expectedVersion } = input
  if (subject !== undefined && expectedVersion !== undefined && expectedVersion !== null)
    if (subject.version !== expectedVersion)
      return refused({ code: 'CONFLICT', expectedVersion, actualVersion: subject.version })

  const decided = await command.decide(loaded, input)
  return decided.kind === 'refused' ? decided : { kind: 'accepted', step: loaded, decided }
}

/** The stream with one more fact. */
export function following(stream: Stream, fact: AnyFact, actor: Actor, at: Instant): Stream {
  return evolveStream(stream, { ...fact, at, actor, version: stream.version + 1 })
}

/** Tenants are apart: what lies in another account is not found, whatever the input says. */
function placeFor(caller: Caller, located: Located): Located {
  if (!('accountId' in located) || caller.kind === 'ROOT' || located.accountId === caller.accountId) return located
  return { notFound: located.namedId }
}

async function load(
  step: LocateStep,
  place: Place,
  read: Read,
  overlaid: ReadonlyMap<string, Stream>,
): Promise<DecideStep> {
  const shard = knownShardOf(place.accountId)
  const { transaction } = step
  const events = place.locks.length === 0 ? [] : await read(step, place, shard)
  const [clock] =
    events.length > 0
      ? events
      : await transaction.run(statement<{ now: Instant }>('SELECT clock_timestamp() AS now', []))
  // To the millisecond: an instant in an event and in a row of state are then the same text.
  const databaseNow = instantOf(epochMsOf(clock?.now ?? ''))
  const now = step.services.clock.fromDatabase(databaseNow)
  const streams = foldStreams(events)
  for (const { id } of place.locks) {
    const instead = overlaid.get(id)
    if (instead !== undefined) streams.set(id, instead)
  }
  return { ...step, ...place, shard, now, streams }
}
