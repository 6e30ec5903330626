// An event that has not happened, in the words of those that have: without what would only be made with it.
import type { PlannedEvent } from '#commands/plan-command.ts'
import type { NewCode } from '#domain/key/events.ts'
import type { AnyFact, Stream } from '#domain/streams.ts'
import type { Context } from './context.ts'
import { publicData } from './event-data.ts'
import type { SubjectLabels } from './summary.ts'
import { sentenceOf } from './told-event.ts'
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
  return sentenceOf(withoutHint(event.fact), event.actor, labelsOf(event, context), context)
}

function withoutHint(fact: AnyFact): AnyFact {
  if (fact.type === 'code.issued') return { ...fact, data: { ...fact.data, hint: NEW_HINT } }
  if (fact.type !== 'key.rotated') return fact
  return { ...fact, data: { ...fact.data, replacement: { ...fact.data.replacement, hint: NEW_HINT } } }
}

/** As it would be called from then on, and until then. */
async function labelsOf({ subject, before, personal }: PlannedEvent, { loaders }: Context): Promise<SubjectLabels> {
  const { id, kind } = subject
  if (kind === 'user') return { subject: await userLabel(id, loaders), personal }
  if (kind === 'link') return { subject: (await loaders.linkedKey.load(id))?.name ?? id }
  return { subject: nameIn(subject) ?? id, formerly: nameIn(before) }
}

function nameIn({ state }: Stream): string | undefined {
  return 'name' in state ? state.name : undefined
}
