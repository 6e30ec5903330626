// One thing is changed behind the back of an installation; the verifier names it.
import { describe, expect, test } from 'vitest'
import { largeWorld, soundWorld } from '#test/audit/support/stories.ts'
import { ofState, tamperings } from '#test/audit/support/tamperings.ts'
import { foundIn, verifyWorld } from '#test/audit/support/verifying.ts'

describe('an export is tampered with', () => {
  test.each([...tamperings, ...ofState])('where $name', ({ alter, found }) => {
    const world = soundWorld()
    alter(world)
    const verification = verifyWorld(world)
    // Which row of a table it was is not what these are about.
    const named = foundIn(verification).map((one, at) =>
      found[at]?.endsWith('<id>') ? one.replace(/ \S+$/, ' <id>') : one,
    )
    expect(named).toEqual(found)
    expect(verification.verdict).toBe('tampered')
  })
})

test('a tile above the leaves that is not made of those below it is named', () => {
  const world = largeWorld()
  const tiles = world.logs[0]!.tiles
  const right = tiles.get('1/0')!
  for (const tile of [
    Buffer.alloc(64, 7),
    Buffer.concat([right.subarray(0, 32), Buffer.alloc(32)]),
    right.subarray(32),
  ]) {
    tiles.set('1/0', tile)
    expect(foundIn(verifyWorld(world))).toEqual(['tile: audit/1/tile/1/000.p/2'])
  }
})
