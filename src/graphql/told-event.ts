// What is told of an event beside its own columns: who did it, when, and what that means.
import type { Actor } from '#domain/actor.ts'
import { kindOf } from '#domain/ids.ts'
import type { AnyFact } from '#domain/streams.ts'
import { upcast } from '#log/upcast.ts'
import type { EventRow } from '#queries/events.ts'
import { labelOf } from './actor.ts'
import type { Context } from './context.ts'
import { codeNamedBy, idsNamedBy, summaryOf } from './summary.ts'
import { userLabel } from './user-label.ts'

/** Always with six digits, so that the order of texts is the order of instants. */
export function occurredAtOf({ occurred_at: occurredAt }: EventRow): string {
  return occurredAt.replace(/\.(\d+)Z$/, (_, digits: string) => `.${digits.padEnd(6, '0')}Z`)
}

export function actorOf({ actor_kind: kind, actor_id: id }: EventRow): Actor {
  return { kind, id }
}

export function summarize(event: EventRow, context: Context): Promise<string> {
  const fact = upcast(event.type, event.schema_version, event.data)
  return sentenceOf(fact, actorOf(event), subjectName(event, context), context)
}

/** Of what happened, or would, to a thing of this name. */
export async function sentenceOf(fact: AnyFact, by: Actor, called: Promise<string>, context: Context): Promise<string> {
  const codeId = codeNamedBy(fact)
  const ids = idsNamedBy(fact)
  const [actor, subject, code, names] = await Promise.all([
    labelOf(by, context),
    called,
    codeId === null ? null : context.loaders.code.load(codeId),
    Promise.all(ids.map((id) => nameOf(id, context))),
  ])
  return summaryOf(fact, {
    actor,
    subject,
    hint: code?.hint ?? codeId,
    slot: code?.slot,
    names: new Map(ids.map((id, index) => [id, names[index] ?? id])),
  })
}

/** Of what an event names beside its subject; told with it, like the subject's. */
async function nameOf(id: string, { loaders }: Context): Promise<string> {
  switch (kindOf(id)) {
    case 'ks':
      return (await loaders.keyspace.load(id))?.name ?? id
    case 'pol':
      return (await loaders.policy.load(id))?.name ?? id
    case 'usr':
      return userLabel(id, loaders)
    default:
      return id
  }
}

/** Its name is part of what happened to it, so it takes no right beyond that of reading the event. */
async function subjectName({ stream_kind: kind, stream_id: id }: EventRow, { loaders }: Context): Promise<string> {
  if (kind === 'account') return (await loaders.account.load(id))?.name ?? id
  if (kind === 'policy') return (await loaders.policy.load(id))?.name ?? id
  if (kind === 'keyspace') return (await loaders.keyspace.load(id))?.name ?? id
  if (kind === 'link') return (await loaders.linkedKey.load(id))?.name ?? id
  if (kind === 'user') return userLabel(id, loaders)
  return (await loaders.keyName.load(id)) ?? id
}
