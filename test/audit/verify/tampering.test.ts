// One thing is changed behind the back of an installation; the verifier names it.
import { describe, expect, test } from 'vitest'
import { soundWorld } from '#test/audit/support/stories.ts'
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
