// Who is concerned by what a policy, user, link or rule becomes: asked about before and after, so that what was in memory is seen to go.
import type { Inquiry } from './agree.ts'
import type { Input } from './decision.ts'
import type { Key, World } from './world.ts'

/** More would be the same again. */
const INQUIRIES_MAX = 10

/** About keys at home and, each by each, where they are linked. */
export function concernedBy(
  world: World,
  { policyId = '', userId = '', linkId = '', keyspaceId = '', rules }: Input,
): readonly Inquiry[] {
  const about = (key: Key | undefined, accountId: string): readonly Inquiry[] => {
    const secret = key?.codes.at(-1)?.secret
    return secret ? [{ key: secret, wish: [['ads.read']], permission: 'ads.read', accountId }] : []
  }
  const isHolder = (key: Key) =>
    key.policyIds.includes(policyId) ||
    key.ownerId === userId ||
    key.actsAsId === userId ||
    (key.keyspaceId === keyspaceId && rules !== undefined && key.policyIds.length > 0)
  const isByIt = (link: { id: string; policyIds: readonly string[] }) =>
    link.id === linkId || link.policyIds.includes(policyId)
  const atHome = [...world.keys.values()].filter(isHolder).flatMap((key) => about(key, key.accountId))
  const linked = [...world.links.values()].filter(isByIt)
  const elsewhere = linked.flatMap(({ keyId, accountId }) => about(world.keys.get(keyId), accountId))
  return [...atHome.slice(-INQUIRIES_MAX), ...elsewhere.slice(-INQUIRIES_MAX)]
}
