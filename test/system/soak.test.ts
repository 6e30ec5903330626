// A minute of what `npm run soak` does for half an hour, and what of it does not depend on how fast the machine is.
import { expect, test } from 'vitest'
import { describeSoaked } from '../../bench/soak.ts'
import { withInstallation } from '../../bench/support/installation.ts'
import { soak } from '../../bench/support/soak.ts'

const SECONDS = 60
/** A leak of a kilobyte a request would come to more; what a garbage collector leaves to be collected comes to far less. */
const HEAP_MIB_MAX = 20

test('a minute of mixed load is answered rightly, told to all subscriptions, and leaves nothing in memory', async () => {
  await withInstallation(async (installation) => {
    const soaked = await soak(installation, { keys: 2_000, seconds: SECONDS, peakSeconds: 5 })
    // Times belong to the machine: told, and compared by people.
    console.log(describeSoaked(soaked))
    expect([...soaked.errors]).toEqual([])
    expect(soaked.requests).toBeGreaterThan(0)
    expect(soaked.mutations).toBeGreaterThan(0)
    expect(soaked.unavailable).toBeLessThan(soaked.requests / 2)
    const first = soaked.memory[0]?.heapMib ?? Number.NaN
    const last = soaked.memory.at(-1)?.heapMib ?? Number.NaN
    expect(last - first).toBeLessThan(HEAP_MIB_MAX)
  })
}, 300_000)
