// What whoever had a code could open with it, and when: the stretches of time in which each grant of its key was good by it.
import type { Database } from '#database/connect.ts'
import type { EndpointRule } from '#domain/endpoint.ts'
import { effectivePermissions } from '#domain/grant.ts'
import { earlier, type Instant, later } from '#domain/instant.ts'
import { standingOf } from '#domain/key/key-status.ts'
import { evolveStream, newStream, type Stream, type StreamKind } from '#domain/streams.ts'
import { judge } from '#domain/verdict.ts'
import { recordedOf } from '#log/load.ts'
import { byPosition, grantsOf, limitOf, namedBy, type Streams, stateOf } from './granted.ts'
import { momentAt } from './moment.ts'
import { type PastEvent, readPastEvents } from './past-streams.ts'

/** What a code carried from an instant on until another. */
export type ExposedGrant = {
  /** As far as the user may whom the key acts as. */
  readonly permissions: readonly string[]
  readonly endpoints: readonly EndpointRule[]
  /** That it came from; null where it was given to the key itself. */
  readonly policyId: string | null
  readonly from: Instant
  readonly until: Instant
}

export type Exposed = { readonly codeId: string; readonly keyId: string; readonly accountId: string }
export type Span = { readonly since: Instant; readonly until: Instant }

/** In the order in which they began. `until` is not in the future. */
export async function readExposure(
  database: Pick<Database, 'kysely'>,
  { codeId, keyId, accountId }: Exposed,
  span: Span,
): Promise<readonly ExposedGrant[]> {
  const moment = momentAt(span.until)
  const keyEvents = await readPastEvents(database, [keyId], moment, accountId)
  const others = await readPastEvents(database, namedBy(keyEvents), moment, accountId)
  return exposureIn([...keyEvents, ...others].sort(byPosition), keyId, codeId, span)
}

/** Of all these events, in their order. */
function exposureIn(
  events: readonly PastEvent[],
  keyId: string,
  codeId: string,
  { since, until }: Span,
): readonly ExposedGrant[] {
  const streams = new Map<string, Stream>()
  const exposed: ExposedGrant[] = []
  const running = new Map<string, number>()
  let now = ''
  for (const [index, event] of events.entries()) {
    const { stream_id: id, stream_kind: kind, account_id: accountId } = event
    const before = streams.get(id) ?? newStream(kind as StreamKind, id, accountId)
    streams.set(id, evolveStream(before, recordedOf(event)))
    now = later(now, event.decided_at)
    const next = events[index + 1]?.decided_at ?? until
    const from = later(now, since)
    // Of what is decided in one instant only the last state has any length.
    if (next <= from) continue
    const carried = carriedAt(streams, keyId, codeId, from)
    const end = earlier(earlier(carried.until, next) ?? next, until) ?? until
    if (end <= from) continue
    for (const grant of carried.grants) {
      const name = JSON.stringify([grant.policyId, grant.permissions, grant.endpoints])
      const known = running.get(name)
      const last = known === undefined ? undefined : exposed[known]
      if (known !== undefined && last?.until === from) exposed[known] = { ...last, until: end }
      else running.set(name, exposed.push({ ...grant, from, until: end }) - 1)
    }
  }
  return exposed
}

type Carried = { readonly grants: readonly Omit<ExposedGrant, 'from' | 'until'>[]; readonly until: Instant | null }

const NOTHING: Carried = { grants: [], until: null }

/** What it opens at an instant, and when time itself ends that. Standing is the judge's to tell, asked for nothing in particular. */
function carriedAt(streams: Streams, keyId: string, codeId: string, now: Instant): Carried {
  const key = stateOf(streams, 'key', keyId)
  const code = key === undefined ? undefined : key.codes.find((one) => one.codeId === codeId)
  if (key === undefined || code === undefined) return NOTHING
  const limit = limitOf(streams, key)
  const grants = grantsOf(streams, key)
  const actsAs = limit === null ? null : { permissions: limit ?? [], removed: limit === undefined }
  const candidate = { code, key: { ...standingOf(key), grants, actsAs }, upstreamUserRequired: false }
  const asked = { permission: null, endpoint: null, hasUpstreamUser: false }
  const { code: verdict, expiresAt } = judge(candidate, asked, now)
  // Grants that hold at certain endpoints only are not enough for a question that names none, and open those all the same.
  const isGood = verdict === 'VALID' || (verdict === 'INSUFFICIENT_PERMISSIONS' && limit !== undefined)
  if (!isGood) return NOTHING
  const carried = grants.flatMap((grant) => {
    const permissions = effectivePermissions([grant], limit)
    // Rules without permissions open endpoints by themselves; those of permissions that lie wholly outside of the limit do not.
    const opensByRules = grant.permissions.length === 0 && grant.endpoints.length > 0
    return permissions.length > 0 || opensByRules ? [{ ...grant, permissions }] : []
  })
  return { grants: carried, until: expiresAt }
}
