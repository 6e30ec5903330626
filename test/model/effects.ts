// Who is concerned by what a policy, user or link becomes: asked about before and after, so that what was in memory is seen to go.
import type { Inquiry } from './agree.ts'
import type { Input } from './decision.ts'
import type { Key, World } from './world.ts'

/** More would be the same again. */
const INQUIRIES_MAX = 10

/** About keys at home and, each by each, where they are linked. */
export function concernedBy(world: World, { policyId = '', userId = '', linkId = '' }: Input): readonly Inquiry[] {
  const about = (key: Key | undefined, accountId: string): readonly Inquiry[] => {
    const secret = key?.codes.at(-1)?.secret
    return secret ? [{ key: secret, wish: [['ads.read']], permission: 'ads.read', accountId }] : []
  }
  const isHolder = ({ policyIds, ownerId, actsAsId }: Key) =>
    policyIds.includes(policyId) || ownerId === userId || actsAsId === userId
  const isByIt = (link: { id: string; policyIds: readonly string[] }) =>
    link.id === linkId || link.policyIds.includes(policyId)
  const atHome = [...world.keys.values()].filter(isHolder).flatMap((key) => about(key, key.accountId))
  const linked = [...world.links.values()].filter(isByIt)
  const elsewhere = linked.flatMap(({ keyId, accountId }) => about(world.keys.get(keyId), accountId))
  return [...atHome.slice(-INQUIRIES_MAX), ...elsewhere.slice(-INQUIRIES_MAX)]
}
