// How long a test waits for what will come: vitest's own second is not much for a database or a process on a busy machine, and only
// what will never come takes longer for it.

/** For `vi.waitFor` and `vi.waitUntil`. `expect.poll` waits as long by configuration. */
export const PATIENTLY = { timeout: 30_000, interval: 20 } as const
