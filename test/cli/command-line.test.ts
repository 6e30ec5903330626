import { describe, expect, test } from 'vitest'
import { CONFIG_VARIABLES } from '#config-variables.ts'
import { keyledger } from '#test/support/process.ts'

const run = (args: readonly string[], variables = {}) => keyledger(args, variables).ended

describe('the command line', () => {
  test.each([['help'], ['--help'], ['start', '--help']])('explains itself: keyledger %s %s', async (...args) => {
    const { code, stdout, stderr } = await run(args)
    expect([code, stderr]).toEqual([0, ''])
    for (const { name } of CONFIG_VARIABLES) expect(stdout).toContain(name)
    for (const command of ['start', 'migrate', 'root-key']) expect(stdout).toContain(`  ${command}`)
  })

  test.each([[[]], [['strat']], [['start', 'now']], [['start', '--port=1']], [['root-key']]])(
    'does nothing where it is called in a wrong way, and exits with 2: %j',
    async (args) => {
      const { code, stdout, stderr } = await run(args)
      expect([code, stdout]).toEqual([2, ''])
      expect(stderr).not.toBe('')
    },
  )

  test('lists every problem of the configuration at once, without a value, and exits with 2', async () => {
    const { code, stdout, stderr } = await run(['start'], {
      PORT: 'http',
      LOG_LEVEL: 'loud',
      KEYLEDGER_ROOT_KEY: 'hunter2',
      KEYLEDGER_SECRETS: 'hunter3',
      KEYLEDGER_ROOTKEY: 'hunter4',
    })
    expect([code, stdout]).toEqual([2, ''])
    for (const name of ['PORT', 'LOG_LEVEL', 'KEYLEDGER_ROOT_KEY', 'KEYLEDGER_SECRETS', 'KEYLEDGER_ROOTKEY'])
      expect(stderr).toMatch(new RegExp(`^- ${name} `, 'm'))
    expect(stderr).not.toContain('hunter')
  })
})
