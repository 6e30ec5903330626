// What an export is asked for, in its URL: the filter of `events` under the same names, and where to go on.
import { GraphQLError } from 'graphql'
import { ACTOR_KINDS } from '#domain/actor.ts'
import { type ArgumentIssue, BadQueryArgumentError } from '#domain/bad-query-argument.ts'
import type { Instant } from '#domain/instant.ts'
import { parseDateTime } from '#graphql/scalars.ts'
import type { EventFilter } from '#queries/events.ts'

export type ExportQuery = {
  readonly filter: EventFilter
  /** Exclusive. */
  readonly after: bigint
  readonly withChanges: boolean
  /** Of CSV. */
  readonly withHeader: boolean
}

const FILTERS = ['types', 'subjectId', 'actorId', 'actorKinds', 'credentialId', 'since', 'until', 'correlationId']
const NAMES = [...FILTERS, 'after', 'changes', 'header']
const POSITION = /^\d{1,18}$/

/** `search` is what follows the question mark. Throws BadQueryArgumentError, with all that is wrong. */
export function readExportQuery(search: string): ExportQuery {
  const given = new URLSearchParams(search)
  const issues: ArgumentIssue[] = []
  const complain = (name: string, message: string): undefined => {
    issues.push({ path: [name], message })
    return undefined
  }
  for (const name of new Set(given.keys())) if (!NAMES.includes(name)) complain(name, 'is not known here')
  const one = (name: string): string | undefined => {
    const [value, ...others] = given.getAll(name)
    if (others.length > 0) return complain(name, 'is given more than once')
    return value === '' ? complain(name, 'is empty') : value
  }
  const instant = (name: string): Instant | undefined => {
    const value = one(name)
    try {
      return value && parseDateTime(value)
    } catch (error) {
      if (!(error instanceof GraphQLError)) throw error
      return complain(name, `${error.message} In a URL, \`+\` is written %2B.`)
    }
  }
  const isOn = (name: string): boolean => {
    const value = one(name) ?? 'true'
    if (value !== 'true' && value !== 'false') complain(name, 'must be true or false')
    return value === 'true'
  }
  const after = one('after') ?? '0'
  if (!POSITION.test(after)) complain('after', 'must be a position: a whole number')
  const list = (name: string): readonly string[] => {
    const values = given.getAll(name).flatMap((value) => value.split(','))
    if (values.includes('')) complain(name, 'is empty')
    return values
  }
  const types = list('types')
  const actorKinds = list('actorKinds').flatMap((value) => {
    const kind = ACTOR_KINDS.find((known) => known === value)
    if (kind === undefined) complain('actorKinds', `must be of ${ACTOR_KINDS.join(', ')}`)
    return kind ?? []
  })
  const query = {
    filter: {
      types,
      subjectId: one('subjectId'),
      actorId: one('actorId'),
      actorKinds,
      credentialId: one('credentialId'),
      since: instant('since'),
      until: instant('until'),
      correlationId: one('correlationId'),
    },
    withChanges: isOn('changes'),
    withHeader: isOn('header'),
  }
  if (issues.length > 0) throw new BadQueryArgumentError(issues)
  return { ...query, after: BigInt(after) }
}
