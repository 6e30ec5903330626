// From numbers that were drawn to the things of a world that they choose.
import { instantText } from './agree.ts'
import { WEAK_SECRET } from './codes.ts'
import type { Input, Mutation } from './decision.ts'
import { type Draw, type IdField, SHAPES } from './draws.ts'
import type { Key, World } from './world.ts'

export const FIRST_CREDENTIAL = 'first credential'

/** The newest few of them more often than not; sometimes what does not exist, or is something else. */
export function pickFrom(ids: readonly string[], pick: number): string {
  if (pick < 3) return ['nothing', `key_00${'0'.repeat(20)}`, `ks_00${'0'.repeat(20)}`][pick] ?? ''
  return ids.at(-1 - (pick % Math.min(ids.length, pick < 80 ? 5 : 1_000))) ?? 'nothing'
}

/** Root mostly, else a first credential, the secret of any key of a management keyspace or of another, or nothing. */
export function credentialFor(world: World, rootKey: string, who: number): string | null {
  const keys = [...world.keys.values()]
  const secretsOf = (some: readonly Key[]) => some.flatMap(({ codes }) => codes.map(({ secret }) => secret))
  const first = secretsOf(keys.filter(({ name }) => name === FIRST_CREDENTIAL))
  const management = secretsOf(keys.filter(({ keyspaceId }) => world.keyspaces.get(keyspaceId)?.management))
  if (who < 60) return rootKey
  if (who < 85) return first[who % first.length] ?? null
  if (who < 96) return management[who % management.length] ?? null
  return who < 98 ? (secretsOf(keys).at(-1) ?? null) : null
}

function idsFor(world: World, field: IdField, pick: number): readonly string[] {
  if (field === 'accountId') return [...world.accounts.keys()]
  if (field === 'keyspaceId') return [...world.keyspaces.keys()]
  // The first credentials are mostly spared, or soon nobody but root could do anything; the newest are those still alive.
  const keys = [...world.keys.values()].filter(({ name }) => name !== FIRST_CREDENTIAL || pick > 90)
  const alive = [...keys.filter(({ end }) => end !== null), ...keys.filter(({ end }) => end === null)]
  return field === 'keyId' ? alive.map(({ id }) => id) : alive.flatMap(({ codes }) => codes.map(({ id }) => id))
}

/** The draw as an input of the mutation, in the world as it is now. */
export function inputFor(world: World, { mutation, fields, pick, version, once }: Draw): Input {
  const { id } = SHAPES[mutation]
  const given = id === undefined ? {} : { [id]: pickFrom(idsFor(world, id, pick), pick) }
  const changed =
    world.keyspaces.get(given.keyspaceId ?? '') ??
    [...world.keys.values()].find((key) => key.id === given.keyId || key.codes.some((code) => code.id === given.codeId))
  const isVersioned = changed !== undefined && mutation !== 'createKey'
  return {
    ...given,
    ...(resolved(world, mutation, fields) as Input),
    ...(version !== null && isVersioned ? { expectedVersion: changed.version + version } : {}),
    ...(once ? { idempotencyKey: crypto.randomUUID() } : {}),
  }
}

/** Expiries become instants, own secrets this world's; what GraphQL itself would refuse is left out. */
function resolved(world: World, mutation: Mutation, fields: object): object {
  const entries = Object.entries(fields).flatMap(([name, value]): [string, unknown][] => {
    if (value === undefined) return []
    if (name === 'expiresAt' && typeof value === 'number') return [[name, instantText(world.now + value)]]
    if (name === 'secret' && value === 'weak') return [[name, WEAK_SECRET]]
    if (name === 'secret' && value !== null && value !== 'short') return [[name, `${value}${world.tag}`]]
    if (name === 'codes' && value !== null)
      return [[name, value.map((code: object) => resolved(world, 'issueCode', code))]]
    return name === 'slot' && value === null && mutation === 'rotateKey' ? [] : [[name, value]]
  })
  return Object.fromEntries(entries)
}
