// What happened in installations of tests: enough of every stream for each check to have something to look at.
import { append, type DbEvent, newWorld, openLog, seal, type World } from './world.ts'

const digits = (shard: string, number: number) => `${shard}${String(number).padStart(20, '0')}`

export const ACME = `acct_${digits('03', 1)}`
export const BETA = `acct_${digits('00', 2)}`
export const KEY = `key_${digits('03', 3)}`
export const SOMEONE = `usr_${digits('03', 4)}`
export const FORGOTTEN = `usr_${digits('03', 5)}`

/** One account with all of it on shard 3, another on shard 0. */
export function populate(world: World): void {
  const of = (streamKind: Parameters<typeof append>[1]['streamKind'], streamId: string, accountId = ACME) => ({
    ...{ streamKind, streamId, accountId },
  })
  append(world, { ...of('account', ACME), type: 'account.created' })
  append(world, { ...of('keyspace', `ks_${digits('03', 6)}`), type: 'keyspace.created' })
  append(world, { ...of('account', BETA, BETA), type: 'account.created' })
  append(world, { ...of('policy', `pol_${digits('03', 7)}`), type: 'policy.created' })
  append(world, { ...of('user', SOMEONE), type: 'user.added', personal: { externalId: 'a', displayName: 'b' } })
  append(world, { ...of('user', FORGOTTEN), type: 'user.added', personal: { externalId: 'c', displayName: 'd' } })
  append(world, { ...of('key', KEY), type: 'key.created' })
  append(world, { ...of('key', KEY), type: 'code.issued' })
  append(world, { ...of('key', KEY), type: 'key.rotated' })
  append(world, { ...of('user', SOMEONE), type: 'user.updated', personal: { displayName: 'e' } })
  append(world, { ...of('user', FORGOTTEN), type: 'user.removed' })
  append(world, { ...of('user', FORGOTTEN), type: 'user.erased' })
  append(world, { ...of('account', BETA, BETA), type: 'account.updated' })
}

/** More of the same: each on the shard that it is told. */
export function addUsers(world: World, count: number, accountId = ACME): readonly DbEvent[] {
  const from = world.events.length
  return Array.from({ length: count }, (_, at) => {
    const streamId = `usr_${digits(accountId.slice(5, 7), 1000 + from + at)}`
    return append(world, {
      accountId,
      streamId,
      streamKind: 'user',
      type: 'user.added',
      personal: { externalId: `x${at}` },
    })
  })
}

/** Sealed in several steps, with a few events that are not sealed yet. */
export function soundWorld(): World {
  const world = newWorld()
  openLog(world, [1])
  populate(world)
  seal(world, 5)
  seal(world)
  addUsers(world, 3)
  addUsers(world, 2, BETA)
  seal(world)
  addUsers(world, 2)
  return world
}

/** Several tiles of leaves and one above them, 614 leaves under a few checkpoints. */
export function largeWorld(): World {
  const world = newWorld()
  openLog(world, [1])
  populate(world)
  addUsers(world, 600)
  const log = world.logs[0]!
  while (log.size < 614) seal(world, 1 + (log.size % 97))
  return world
}
