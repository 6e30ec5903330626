// What is told of an event beside its own columns: who did it, when, and what that means.
import type { Actor } from '#domain/actor.ts'
import { upcast } from '#log/upcast.ts'
import type { EventRow } from '#queries/events.ts'
import { labelOf } from './actor.ts'
import type { Context } from './context.ts'
import { codeNamedBy, summaryOf } from './summary.ts'
import { userLabel } from './user-label.ts'

/** Always with six digits, so that the order of texts is the order of instants. */
export function occurredAtOf({ occurred_at: occurredAt }: EventRow): string {
  return occurredAt.replace(/\.(\d+)Z$/, (_, digits: string) => `.${digits.padEnd(6, '0')}Z`)
}

export function actorOf({ actor_kind: kind, actor_id: id }: EventRow): Actor {
  return { kind, id }
}

export async function summarize(event: EventRow, context: Context): Promise<string> {
  const fact = upcast(event.type, event.schema_version, event.data)
  const codeId = codeNamedBy(fact)
  const [actor, subject, code] = await Promise.all([
    labelOf(actorOf(event), context),
    subjectName(event, context),
    codeId === null ? null : context.loaders.code.load(codeId),
  ])
  return summaryOf(fact, { actor, subject, hint: code?.hint ?? codeId })
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
