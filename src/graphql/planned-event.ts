// An event that has not happened, in the words of those that have: without what would only be made with it.
import type { PlannedEvent } from '#commands/plan-command.ts'
import type { NewCode } from '#domain/key/events.ts'
import type { AnyFact, Stream } from '#domain/streams.ts'
import type { EndedOverlap } from '#queries/ended-overlaps.ts'
import type { Context } from './context.ts'
import { publicData } from './event-data.ts'
import { type AboutSubject, sentenceOf } from './told-event.ts'
import { userLabel } from './user-label.ts'

/** In the place of a hint, which is made with its secret. */
const NEW_HINT = '(new)'

export function plannedData({ type, data }: AnyFact): unknown {
  switch (type) {
    case 'code.issued':
      return publicData(withoutMade(data))
    case 'key.rotated': {
      const { rotationId: _, replacement, ...rest } = data
      return publicData({ ...rest, replacement: withoutMade(replacement) })
    }
    default:
      return publicData(data)
  }
}

function withoutMade({ codeId: _id, hint: _hint, ...code }: NewCode) {
  return code
}

export function plannedSummary(event: PlannedEvent, _arguments: unknown, context: Context): Promise<string> {
  const told = { fact: withoutHint(event.fact), by: event.actor, at: context.reader.now }
  return sentenceOf(told, labelsOf(event, context), context)
}

function withoutHint(fact: AnyFact): AnyFact {
  if (fact.type === 'code.issued') return { ...fact, data: { ...fact.data, hint: NEW_HINT } }
  if (fact.type !== 'key.rotated') return fact
  return { ...fact, data: { ...fact.data, replacement: { ...fact.data.replacement, hint: NEW_HINT } } }
}

/** As it would be called from then on, and until then. */
async function labelsOf(event: PlannedEvent, { loaders }: Context): Promise<AboutSubject> {
  const { subject, before, personal } = event
  const { id, kind } = subject
  if (kind === 'user') return { subject: await userLabel(id, loaders), personal }
  if (kind === 'link') return { subject: (await loaders.linkedKey.load(id))?.name ?? id }
  return { subject: nameIn(subject) ?? id, formerly: nameIn(before), endedOverlap: overlapEndedBy(event) }
}

/** Of a code beside the one that a rotation would retire. */
function overlapEndedBy({ fact, before, subject }: PlannedEvent): EndedOverlap | undefined {
  if (fact.type !== 'key.rotated' || !('codes' in before.state) || !('codes' in subject.state)) return undefined
  const after = new Map(subject.state.codes.map((code) => [code.codeId, code]))
  for (const { codeId, overlapEndsAt: until } of before.state.codes)
    if (until !== null && codeId !== fact.data.retiredCodeId && after.get(codeId)?.overlapEndsAt !== until)
      return { codeId, until }
  return undefined
}

function nameIn({ state }: Stream): string | undefined {
  return 'name' in state ? state.name : undefined
}
