// What a key, or a link, granted while its streams stood as they did, and which streams that may ever have hung on.
import { type Asked, type Grant, suffices } from '#domain/grant.ts'
import type { ExistingKey, KeyState } from '#domain/key/state.ts'
import type { Stream, StreamKind } from '#domain/streams.ts'
import { permissionsOfRole } from '#domain/user/roles.ts'
import { recordedOf } from '#log/load.ts'
import type { PastEvent } from './past-streams.ts'

export type Streams = ReadonlyMap<string, Stream>

/** `policyId`: that it came from; null where it was given to the key itself. */
export type Named = Grant & { readonly policyId: string | null }

/** Of one account. */
export const byPosition = (a: PastEvent, b: PastEvent) => (a.position < b.position ? -1 : 1)

/** The keyspace of the key, and each policy and user that it ever held or acted as; of a link each policy that it ever held. */
export function namedBy(events: readonly PastEvent[]): readonly string[] {
  const named = events.flatMap((event): readonly (string | null)[] => {
    const { type, data } = recordedOf(event)
    if (type === 'key.created') return [data.keyspaceId, ...data.policyIds, data.actsAsId]
    if (type === 'key.linked' || type === 'link.updated') return data.policyIds
    return type === 'key.updated' ? [...(data.policyIds ?? []), data.actsAsId ?? null] : []
  })
  return [...new Set(named)].filter((id) => id !== null)
}

/** Whether the key granted what is asked for, within what the user may whom it acted as. */
export function keyGives(streams: Streams, keyId: string, asked: Asked): boolean {
  const key = stateOf(streams, 'key', keyId)
  if (key === undefined) return false
  const limit = limitOf(streams, key)
  return limit !== undefined && suffices(grantsOf(streams, key), asked, limit)
}

/** Whether the link let the key do what is asked for. */
export function linkGives(streams: Streams, linkId: string, asked: Asked): boolean {
  const link = stateOf(streams, 'link', linkId)
  return link?.status === 'active' && suffices(heldOf(streams, link.policyIds), asked)
}

/** The first is what was given to the key itself. */
export function grantsOf(streams: Streams, key: ExistingKey): readonly Named[] {
  const { permissions, frozenPolicies, policyIds } = key
  const direct = { policyId: null, permissions, endpoints: [] as const }
  return [direct, ...(frozenPolicies ?? heldOf(streams, policyIds)).map(namedGrant)]
}

/** Of those that were not deleted. */
function heldOf(streams: Streams, policyIds: readonly string[]): readonly Named[] {
  return policyIds.flatMap((policyId) => {
    const policy = stateOf(streams, 'policy', policyId)
    return policy?.status === 'active' ? [namedGrant({ ...policy, policyId })] : []
  })
}

const namedGrant = ({ policyId, permissions, endpoints }: Named): Named => ({ policyId, permissions, endpoints })

/** What the user may whom it acts as; null for nobody, undefined for who had been removed. */
export function limitOf(streams: Streams, key: ExistingKey): readonly string[] | null | undefined {
  if (key.actsAsId === null) return null
  const user = stateOf(streams, 'user', key.actsAsId)
  if (user?.status !== 'active') return undefined
  return stateOf(streams, 'keyspace', key.keyspaceId)?.management ? permissionsOfRole(user.role) : user.permissions
}

type Existing<Kind extends StreamKind> = Exclude<Stream<Kind>['state'], Extract<KeyState, { status: 'none' }>>

/** Undefined where it is not there yet. */
export function stateOf<Kind extends StreamKind>(streams: Streams, kind: Kind, id: string): Existing<Kind> | undefined {
  const stream = streams.get(id)
  return stream?.kind === kind && stream.state.status !== 'none' ? (stream.state as Existing<Kind>) : undefined
}
