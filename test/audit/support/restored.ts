// An installation as it is after a restore of an older backup.
import { edgeOf, rootOf } from '#audit/tree/edge.ts'
import { type DbLog, remove, sign, type World } from './world.ts'

/** As after a restore of a backup that was made before the last of the sealing: log and events end earlier. */
export function restored(world: World, size: number, number = 1): void {
  const old = world.logs[number - 1]!
  const lost = old.leaves.splice(size)
  cutTo(old, size)
  for (const { shard, shard_position } of lost) {
    const end = Math.min(old.cursor.get(shard!) ?? 0, shard_position! - 1)
    old.cursor.set(shard!, end)
  }
  for (const shard of [0, 3]) forget(world, shard, old.cursor.get(shard) ?? 0)
}

/** The last log under the name of the next, signed so by its operator. */
export function renamed(world: World): void {
  const last = world.logs.at(-1)!
  const number = last.number + 1
  Object.assign(last, { number, origin: last.origin.replace(/\d+$/, String(number)) })
  last.checkpoints.length = 0
  sign(last)
}

/** Nothing but the log itself. */
export function cutTo(log: DbLog, size: number): void {
  log.edge = edgeOf(size, ({ level, index }) => log.tiles.get(`${level}/${index}`))!
  Object.assign(log, { size, root: rootOf(log.edge) })
  remove(log.checkpoints, (row) => row.size > size)
  log.leaves.splice(size)
}

/** Events of users after a position of a shard are undone, as a restore does, with all that came of them. */
function forget(world: World, shard: number, head: number): void {
  const gone = world.events.filter((event) => event.shard === shard && event.shard_position > head)
  for (const { stream_id } of gone) {
    remove(world.streams, (row) => row.stream_id === stream_id)
    remove(world.state, ({ row }) => row.user_id === stream_id)
    remove(world.personal, (row) => row.user_id === stream_id)
  }
  remove(world.events, (event) => gone.includes(event))
  const last = world.events.filter((event) => event.shard === shard).at(-1)
  world.heads.set(shard, { head, lastEventId: last?.event_id ?? '' })
  const account = world.accounts.find((row) => row.shard === shard)
  if (account !== undefined) account.position = head
}
