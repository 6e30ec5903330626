// Each benchmark at its smallest, so that whoever wants a figure finds a command that works. What it says belongs to the machine.
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

const run = promisify(execFile)
const cwd = join(import.meta.dirname, '../..')
const SMALLEST = ['--quick', '--alone', '--keys', '2000', '--events', '2000', '--rounds', '1', '--seconds', '0.1']
/** Of which soak.test.ts runs a minute. */
const NAMES = ['audit', 'history', 'memory', 'mutations', 'replay', 'verify', 'workers']

test.each(NAMES)('npm run bench -- %s', { timeout: 300_000 }, async (name) => {
  const { stdout } = await run('node', ['bench/main.ts', name, ...SMALLEST], { cwd })
  expect(stdout).toContain('PostgreSQL ')
  // A table: its heads, a line and what was measured.
  expect(stdout.split('\n').length).toBeGreaterThan(5)
})

test('there is no other but the soak', async () => {
  const { stderr } = await run('node', ['bench/main.ts'], { cwd }).catch((error: { stderr: string }) => error)
  const [, names = ''] = /-- ([a-z|]+)/.exec(stderr) ?? []
  expect(names.split('|').filter((name) => name !== 'soak')).toEqual(NAMES)
})
