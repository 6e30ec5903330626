// From numbers that were drawn to the things of a world that they choose.
import { instantText } from './agree.ts'
import { WEAK_SECRET } from './codes.ts'
import type { Input, Mutation } from './decision.ts'
import { type Draw, type IdField, SHAPES } from './draws.ts'
import { accountOf, type Key, keyspaceOf, type World } from './world.ts'

export const FIRST_CREDENTIAL = 'first credential'

/** The newest few of them more often than not; sometimes what does not exist, or is something else. */
export function pickFrom(ids: readonly string[], pick: number): string {
  if (pick < 3) return ['nothing', `key_00${'0'.repeat(20)}`, `ks_00${'0'.repeat(20)}`][pick] ?? ''
  return ids.at(-1 - (pick % Math.min(ids.length, pick < 80 ? 5 : 1_000))) ?? 'nothing'
}

/** Root mostly, else, mostly of the account, a first credential, the secret of any key of a management keyspace or of another, or nothing. */
export function credentialFor(world: World, rootKey: string, who: number, accountId?: string): string | null {
  const all = [...world.keys.values()]
  const theirs = who % 6 === 0 ? [] : all.filter((key) => key.accountId === accountId)
  const keys = theirs.length > 0 ? theirs : all
  const secretsOf = (some: readonly Key[]) =>
    some.flatMap(({ codes }) => codes.map(({ secret }) => secret)).filter((secret) => secret !== '')
  const first = secretsOf(keys.filter(({ name }) => name === FIRST_CREDENTIAL))
  const management = secretsOf(keys.filter((key) => keyspaceOf(world, key).management))
  if (who < 50) return rootKey
  if (who < 85) return first[who % first.length] ?? null
  if (who < 96) return management[who % management.length] ?? null
  return who < 98 ? (secretsOf(keys).at(-1) ?? null) : null
}

/** Of whatever it is that an input names first. */
export function accountAskedFor(world: World, input: Input): string | undefined {
  const { accountId, keyspaceId, keyId, policyId, userId, linkId, codeId } = input
  const ofCode = [...world.keys.values()].find(({ codes }) => codes.some(({ id }) => id === codeId))
  return accountOf(world, accountId ?? keyspaceId ?? keyId ?? policyId ?? userId ?? linkId ?? ofCode?.id ?? '')?.id
}

function idsFor(world: World, field: IdField, pick: number): readonly string[] {
  if (field === 'accountId') return [...world.accounts.keys()]
  if (field === 'keyspaceId') return [...world.keyspaces.keys()]
  if (field === 'policyId') return lastAlive(world.policies, ({ gone }) => gone)
  if (field === 'userId') return lastAlive(world.users, ({ gone }) => gone)
  if (field === 'linkId') return lastAlive(world.links, ({ gone }) => gone)
  // The first credentials are mostly spared, or soon nobody but root could do anything.
  const isSpared = (id: string) => world.keys.get(id)?.name === FIRST_CREDENTIAL && pick <= 90
  const keyIds = lastAlive(world.keys, ({ end }) => end !== null).filter((id) => !isSpared(id))
  return field === 'keyId' ? keyIds : keyIds.flatMap((id) => world.keys.get(id)?.codes.map((code) => code.id) ?? [])
}

/** The newest of them are those still alive. */
function lastAlive<Thing extends { id: string }>(things: Map<string, Thing>, isDead: (thing: Thing) => boolean) {
  const all = [...things.values()]
  return [...all.filter(isDead), ...all.filter((thing) => !isDead(thing))].map(({ id }) => id)
}

const CREATES: readonly Mutation[] = ['createKey', 'createPolicy', 'addUser', 'linkKey']

/** The draw as an input of the mutation, in the world as it is now. */
export function inputFor(world: World, { mutation, fields, pick, version, once }: Draw): Input {
  const { id } = SHAPES[mutation]
  const subjectId = id === undefined ? '' : pickFrom(idsFor(world, id, pick), pick)
  const ofCode = [...world.keys.values()].find((key) => key.codes.some((code) => code.id === subjectId))
  const maps = [world.keyspaces, world.keys, world.policies, world.users, world.links]
  const changed = ofCode ?? maps.map((map) => map.get(subjectId)).find((thing) => thing !== undefined)
  const given = {
    ...(id === undefined ? {} : { [id]: subjectId }),
    ...(resolved(world, accountOf(world, ofCode?.id ?? subjectId)?.id ?? '', mutation, fields) as Input),
  }
  // It is an event each time.
  if (mutation === 'revealCode') return given
  const isVersioned = version !== null && changed !== undefined && !CREATES.includes(mutation)
  return {
    ...given,
    ...(isVersioned ? { expectedVersion: changed.version + version } : {}),
    ...(once ? { idempotencyKey: crypto.randomUUID() } : {}),
  }
}

/** Numbers become things of the account, mostly; expiries instants, own secrets this world's; what GraphQL would refuse is left out. */
function resolved(world: World, accountId: string, mutation: Mutation, fields: object): object {
  const entries = Object.entries(fields).flatMap(([name, value]): [string, unknown][] => {
    const one = (things: Map<string, { id: string; accountId: string }>) =>
      pickFrom(
        [...things.values()].filter((thing) => thing.accountId === accountId).map(({ id }) => id),
        value,
      )
    if (value === undefined) return []
    if (name === 'expiresAt' && typeof value === 'number') return [[name, instantText(world.now + value)]]
    if (name === 'secret' && value === 'weak') return [[name, WEAK_SECRET]]
    if (name === 'secret' && value !== null && value !== 'short') return [[name, `${value}${world.tag}`]]
    if (name === 'codes' && value !== null)
      return [[name, value.map((code: object) => resolved(world, accountId, 'issueCode', code))]]
    if (name === 'policyIds' && value !== null) {
      const ids = lastAlive(world.policies, ({ gone }) => gone).filter((id) => accountOf(world, id)?.id === accountId)
      return [[name, [...new Set(value.map((pick: number) => pickFrom(ids, pick)))]]]
    }
    if (name === 'ownerId' && value !== null) return [[name, one(world.users)]]
    if (name === 'actsAs' && value !== null) return [[name, world.users.get(one(world.users))?.externalId ?? 'nobody']]
    if (name === 'linked') {
      const isWanted = (key: Key) => (key.accountId === accountId) === value > 85 && !keyspaceOf(world, key).management
      const wanted = [...world.keys.values()].filter(isWanted).map(({ id }) => id)
      return [['keyId', pickFrom(wanted, value)]]
    }
    if (name === 'into') return [['keyspaceId', value === null ? null : one(world.keyspaces)]]
    if (name === 'purpose') return [['description', value]]
    return name === 'slot' && value === null && mutation === 'rotateKey' ? [] : [[name, value]]
  })
  return Object.fromEntries(entries)
}
