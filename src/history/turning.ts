// Which event gave, or took, what is asked for: told by asking after each of them, so that one which changed something else is not blamed.
import { type Asked, type Grant, type Limit, suffices } from '#domain/grant.ts'
import { evolveStream, newStream, type States, type Stream, type StreamKind } from '#domain/streams.ts'
import { limitOf as limitOfUser } from '#domain/user/roles.ts'
import { recordedOf } from '#log/load.ts'
import { grantsOf, keyGives, limitOf, linkGives, type Named, type Streams, stateOf } from './granted.ts'
import type { Judged } from './judged.ts'
import type { PastEvent } from './past-streams.ts'

/** The last event that took what is asked for from a key that had it; null for one that never had it. */
export function takenBy({ evidence, asked }: Judged): PastEvent | null {
  const { link, key, history } = evidence
  const gives = (streams: Streams) =>
    link === null ? keyGives(streams, key.stream.id, asked) : linkGives(streams, link.link.stream.id, asked)
  const streams = new Map<string, Stream>()
  let [had, parts, taken]: [boolean, readonly unknown[], PastEvent | null] = [false, [], null]
  for (const event of history) {
    const next = evolved(streams, event)
    // A key may have thousands of rotations, of which none changes what it grants.
    const known = parts
    if (next.kind === 'key') parts = partsOf(next.state as States['key'])
    if (next.kind === 'key' && parts.every((part, index) => part === known[index])) continue
    const has = gives(streams)
    if (had && !has) taken = event
    had = has
  }
  return taken
}

function evolved(streams: Map<string, Stream>, event: PastEvent): Stream {
  const { stream_id: id, stream_kind: kind, account_id: accountId } = event
  const before = streams.get(id) ?? newStream(kind as StreamKind, id, accountId)
  const next = evolveStream(before, recordedOf(event))
  streams.set(id, next)
  return next
}

function partsOf(state: States['key']): readonly unknown[] {
  if (state.status === 'none') return []
  return [state.permissions, state.policyIds, state.frozenPolicies, state.actsAsId]
}

/**
 * What gave a key, or a link, what is asked for: of the grants that are enough, each by itself where there is such a one, when they came
 * to be that and when they came to be its own; and when the user came to be allowed as much whom it acts as. Nothing asked for, nothing given.
 */
export function givenBy({ evidence, asked }: Judged): readonly PastEvent[] {
  const { link, key, history } = evidence
  const standing: readonly Stream[] = [key, evidence.keyspace, evidence.user, ...evidence.policies].flatMap(
    (folded): readonly Stream[] => (folded === null ? [] : [folded.stream]),
  )
  const streams = new Map(standing.map((stream) => [stream.id, stream]))
  const state = stateOf(streams, 'key', key.stream.id)
  const holderId = link?.link.stream.id ?? key.stream.id
  const limit = (link === null && state && limitOf(streams, state)) || null
  const held =
    link === null
      ? state && grantsOf(streams, state)
      : evidence.policies.flatMap(({ stream }) =>
          stream.state.status === 'active' ? [{ ...stream.state, policyId: stream.id }] : [],
        )
  const isFrozen = link === null && state?.frozenPolicies != null
  const of = (id: string) => history.filter(({ stream_id }) => stream_id === id)
  const grants = enoughOf(held ?? [], asked, limit).flatMap(({ grant, beside }) => {
    const isEnough = (given: Grant) => suffices([given, ...beside], asked, limit)
    const { policyId } = grant
    if (policyId === null) return [turnedBy('key', of(holderId), (now) => isEnough(directOf(now)))]
    const holds = turnedBy(link === null ? 'key' : 'link', of(holderId), (now) => holdsOf(now).includes(policyId))
    if (isFrozen) return [holds, key.changedBy.frozenPolicies]
    return [holds, turnedBy('policy', of(policyId), (now) => now.status === 'active' && isEnough(now))]
  })
  const user = link === null ? evidence.user : null
  const allowed =
    user &&
    turnedBy('user', of(user.stream.id), (now) => {
      if (now.status !== 'active') return false
      const management = stateOf(streams, 'keyspace', state?.keyspaceId ?? '')?.management ?? false
      return suffices(held ?? [], asked, limitOfUser(management, { ...now, removed: false }))
    })
  const acting = user === null ? null : key.changedBy.actsAsId
  return [...grants, acting, allowed].filter((event) => event !== null)
}

/** Each that is enough by itself; where none is, as few as are together, each beside the others. None where nothing is asked for. */
function enoughOf(
  held: readonly Named[],
  asked: Asked,
  limit: Limit,
): readonly { readonly grant: Named; readonly beside: readonly Named[] }[] {
  if (asked.permission === null && asked.endpoint === null) return []
  const alone = held.filter((grant) => suffices([grant], asked, limit))
  if (alone.length > 0) return alone.map((grant) => ({ grant, beside: [] }))
  let few = held
  for (const grant of held) {
    const others = few.filter((one) => one !== grant)
    if (suffices(others, asked, limit)) few = others
  }
  return few.map((grant) => ({ grant, beside: few.filter((one) => one !== grant) }))
}

const directOf = (state: States['key']): Grant => ({
  permissions: state.status === 'none' ? [] : state.permissions,
  endpoints: [],
})

const holdsOf = (state: States['key'] | States['link']): readonly string[] =>
  state.status === 'none' ? [] : state.policyIds

/** The last of one thing's events by which something came to be so. */
function turnedBy<Kind extends StreamKind>(
  kind: Kind,
  events: readonly PastEvent[],
  isSo: (state: States[Kind]) => boolean,
): PastEvent | null {
  const [first] = events
  if (first === undefined) return null
  let stream = newStream(kind, first.stream_id, first.account_id)
  let [was, turned]: [boolean, PastEvent | null] = [false, null]
  for (const event of events) {
    stream = evolveStream(stream, recordedOf(event) as never)
    const is = isSo(stream.state)
    if (is && !was) turned = event
    was = is
  }
  return turned
}
