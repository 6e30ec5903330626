// What is told of an event beside its own columns: who did it, when, and what that means.
import type { Actor, Credential } from '#domain/actor.ts'
import { kindOf } from '#domain/ids.ts'
import type { Instant } from '#domain/instant.ts'
import type { AnyFact } from '#domain/streams.ts'
import { upcast } from '#log/upcast.ts'
import type { EndedOverlap } from '#queries/ended-overlaps.ts'
import type { EventRow } from '#queries/events.ts'
import { labelOf } from './actor.ts'
import type { Context } from './context.ts'
import { codeNamedBy, idsNamedBy, type SubjectLabels, summaryOf } from './summary.ts'
import { userLabel } from './user-label.ts'

/** Always with six digits, so that the order of texts is the order of instants. */
export function occurredAtOf({ occurred_at: occurredAt }: EventRow): string {
  return occurredAt.replace(/\.(\d+)Z$/, (_, digits: string) => `.${digits.padEnd(6, '0')}Z`)
}

export function actorOf({ actor_kind: kind, actor_id: id }: EventRow): Actor {
  return { kind, id }
}

export function credentialOf({ credential_key_id: keyId, credential_code_id: codeId }: EventRow): Credential | null {
  return keyId === null || codeId === null ? null : { keyId, codeId }
}

export function summarize(event: EventRow, context: Context): Promise<string> {
  const fact = upcast(event.type, event.schema_version, event.data)
  return sentenceOf({ fact, by: actorOf(event), at: event.decided_at }, subjectOf(event, context), context)
}

/** With the code beside the retired one that a rotation ended. */
export type AboutSubject = SubjectLabels & { readonly endedOverlap?: EndedOverlap | undefined }

type Told = { readonly fact: AnyFact; readonly by: Actor; readonly at: Instant }

/** Of what happened, or would, to a thing that is called so. */
export async function sentenceOf(
  { fact, by, at }: Told,
  about: Promise<AboutSubject>,
  context: Context,
): Promise<string> {
  const codeId = codeNamedBy(fact)
  const ids = idsNamedBy(fact)
  const [actor, { endedOverlap, ...subject }, code, names] = await Promise.all([
    labelOf(by, context),
    about,
    codeId === null ? null : context.loaders.code.load(codeId),
    Promise.all(ids.map((id) => nameOf(id, context))),
  ])
  return summaryOf(fact, {
    actor,
    ...subject,
    hint: code?.hint ?? codeId,
    slot: code?.slot,
    isReplaced: code?.replaced_at != null && code.replaced_at <= at,
    alsoEnded: endedOverlap && {
      hint: (await context.loaders.code.load(endedOverlap.codeId))?.hint ?? endedOverlap.codeId,
      until: endedOverlap.until,
    },
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
async function subjectOf(event: EventRow, { loaders }: Context): Promise<AboutSubject> {
  const { stream_kind: kind, stream_id: id } = event
  if (kind === 'link') return { subject: (await loaders.linkedKey.load(id))?.name ?? id }
  if (kind === 'user') {
    const [subject, personal] = await Promise.all([userLabel(id, loaders), loaders.personalNames.load(event)])
    return { subject, personal }
  }
  const [{ before, after }, endedOverlap] = await Promise.all([
    loaders.namesThen.load(event),
    event.type === 'key.rotated' ? loaders.endedOverlap.load(event) : null,
  ])
  return { subject: after ?? id, formerly: before ?? undefined, endedOverlap: endedOverlap ?? undefined }
}
