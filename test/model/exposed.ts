// What each code carried at moments of a life, and what was done by it, held afterwards against what is told of its exposure.
import { expect } from 'vitest'
import type { TestApp } from '#test/support/app.ts'
import { effective, grantsOf, limitOf } from './grants.ts'
import { isLive, overlaps, reached } from './standing.ts'
import { type Code, codesOf, type Grant, type Key, keyspaceOf, type World } from './world.ts'

/** By the code's id. `carried`: by the instant, after all that happened in that millisecond; `done`: how many events there are of it. */
export type Exposures = {
  readonly carried: Map<string, Map<string, readonly string[]>>
  readonly done: Map<string, number>
}

export function nothingExposed(): Exposures {
  return { carried: new Map(), done: new Map() }
}

const textOf = ({ permissions, endpoints }: Grant) =>
  JSON.stringify([permissions, endpoints.map(({ methods, path }) => [methods, path])])

/** What opens anything by this code now: each grant within what the user may whom the key acts as. */
function carriedBy(world: World, key: Key, code: Code): readonly string[] {
  const { now } = world
  const isGone = world.users.get(key.actsAsId ?? '')?.gone === true
  const isGood = (isLive(code, now) && code.enabled) || (overlaps(code, now) && code.enabled)
  if (isGone || !isGood || key.end !== null || !key.enabled) return []
  if (reached(key.expiresAt, now) || reached(code.expiresAt, now)) return []
  const limit = limitOf(world, key)
  const carried = grantsOf(world, key).flatMap(({ permissions, endpoints }): readonly Grant[] => {
    const left = effective([{ permissions, endpoints }], limit)
    const opensByRules = permissions.length === 0 && endpoints.length > 0
    return left.length > 0 || opensByRules ? [{ permissions: left, endpoints }] : []
  })
  return [...new Set(carried.map(textOf))].sort()
}

export function recordExposures({ carried }: Exposures, world: World): void {
  const at = new Date(world.now).toISOString()
  for (const key of world.keys.values())
    for (const code of key.codes) {
      const instants = carried.get(code.id) ?? new Map<string, readonly string[]>()
      carried.set(code.id, instants.set(at, carriedBy(world, key, code)))
    }
}

/** That so many events were caused by whoever presented this. */
export function recordDone({ done }: Exposures, world: World, credential: string | null, events: number): void {
  const found = codesOf(world, credential ?? '').find(({ key }) => keyspaceOf(world, key).management)
  if (found !== undefined) done.set(found.code.id, (done.get(found.code.id) ?? 0) + events)
}

/** More in one life would be the same again. */
const LOOKED_AT_MAX = 40

type Told = {
  readonly grants: readonly (Grant & { readonly from: string; readonly until: string })[]
  readonly actions: { readonly totalCount: number }
}

/** At each moment what is told to have been carried then, and nothing else; and all that was done. */
export async function agreeOnExposures({ carried, done }: Exposures, app: TestApp): Promise<number> {
  // What is so now is told as far as it has lasted.
  app.clock.advance(1)
  const every = Math.ceil(carried.size / LOOKED_AT_MAX)
  const some = [...carried].filter(([codeId], index) => index % every === 0 || done.has(codeId))
  const document = `query ($codeId: ID!) { codeExposure(codeId: $codeId) { grants { permissions endpoints { methods path } from until }
    actions { totalCount } } }`
  for (const [codeId, instants] of some) {
    const { codeExposure } = await app.ask<{ codeExposure: Told }, object>(document, { codeId })
    const told = [...instants.keys()].map((at) => {
      const then = codeExposure.grants.filter(({ from, until }) => from <= at && at < until)
      return [at, [...new Set(then.map(textOf))].sort()]
    })
    expect(Object.fromEntries(told), codeId).toEqual(Object.fromEntries(instants))
    expect([codeId, codeExposure.actions.totalCount]).toEqual([codeId, done.get(codeId) ?? 0])
  }
  return some.length
}
