// What both verifiers have in common as programs: how they end, what they print and what they leave in the folder they are called in.
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { signersOf } from '#test/audit/support/keys.ts'
import { soundWorld } from '#test/audit/support/stories.ts'
import { temporary } from '#test/audit/support/verifying.ts'
import { exportOf, HOST, type World, writeFiles } from '#test/audit/support/world.ts'
import { keyledger } from '#test/support/process.ts'

const AUDITOR = fileURLToPath(new URL('../../../auditor', import.meta.url))
const hasPython = spawnSync('python3', ['--version']).status === 0
const [KEY] = signersOf(`${HOST}/1`, 1).map(({ vkey }) => vkey)

type Ended = { readonly code: number | null; readonly stdout: string; readonly stderr: string }
type Program = {
  run(args: readonly string[], folder: string): Promise<Ended>
  /** With a part of it that does not work. */
  broken(args: readonly string[], folder: string): Promise<Ended>
}

const ours: Program = {
  run: (args, folder) => keyledger(['audit', 'verify', ...args], {}, folder).ended,
  broken(args, folder) {
    const code = encodeURIComponent('Buffer.prototype.equals = () => { throw new Error("not today") }')
    return keyledger(['audit', 'verify', ...args], { NODE_OPTIONS: `--import data:text/javascript,${code}` }, folder)
      .ended
  },
}

function python(args: readonly string[], cwd: string): Promise<Ended> {
  const { status: code, stdout, stderr } = spawnSync('python3', ['-B', ...args], { cwd, encoding: 'utf8' })
  return Promise.resolve({ code, stdout, stderr })
}

const theirs: Program = {
  run: (args, folder) => python([path.join(AUDITOR, 'verify.py'), ...args], folder),
  broken(args, folder) {
    const code = `import sys; sys.path.insert(0, ${JSON.stringify(AUDITOR)}); import verify; verify.Log = None; sys.exit(verify.run())`
    return python(['-c', code, ...args], folder)
  },
}

const PROGRAMS: readonly (readonly [string, Program])[] = [
  ['keyledger audit verify', ours],
  ...(hasPython ? [['auditor/verify.py', theirs] as const] : []),
]

/** A folder to be called in, with an export. */
function auditor(alter: (world: World) => void = () => undefined): string {
  const folder = temporary()
  const world = soundWorld()
  alter(world)
  mkdirSync(path.join(folder, 'one'))
  writeFiles(path.join(folder, 'one'), exportOf(world))
  return folder
}

describe.each(PROGRAMS)('%s', (_, { run, broken }) => {
  test('believes no state that came with the export', async () => {
    const folder = auditor()
    const state = { format: 'keyledger-audit-state', version: 1, keys: [KEY], logs: [] }
    writeFileSync(path.join(folder, 'one/audit-state.json'), JSON.stringify(state))
    symlinkSync('one/audit-state.json', path.join(folder, 'link.json'))
    symlinkSync('one', path.join(folder, 'door'))
    for (const [called, cwd] of [
      [['.'], path.join(folder, 'one')],
      [['one', '--state', 'one/audit-state.json'], folder],
      [['one', '--state', 'link.json'], folder],
      [['one', '--state', 'door/kept.json', '--key', KEY!], folder],
    ] as const) {
      const { code, stdout, stderr } = await run(called, cwd)
      expect([code, stdout]).toEqual([2, ''])
      expect(stderr).toContain('would lie in the folder that is verified')
    }
    expect((await run(['one', '--state', 'audit-state.json', '--key', KEY!], folder)).code).toBe(0)
  })

  test('prints nothing of an export that a terminal would obey', async () => {
    const name = 'evt_\u001b[2J\u009b1A\u202e\u2066\u007f\r\nsound: all is well'
    const folder = auditor((world) => {
      world.accounts.push({ shard: 3, account_id: name, position: 1 })
    })
    const { code, stdout } = await run(['one', '--key', KEY!], folder)
    expect(code).toBe(1)
    expect(stdout).toContain('evt_\\u001b[2J\\u009b1A\\u202e\\u2066\\u007f\\u000d\\u000asound: all is well')
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
    expect(stdout.replaceAll('\n', '')).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/)
  })

  test('tells its verdict even where nothing can be kept, and does not call that tampered', async () => {
    const { code, stdout, stderr } = await run(['one', '--key', KEY!, '--state', 'nowhere/kept.json'], auditor())
    expect(code).toBe(2)
    expect(stdout).toMatch(/^sound: keys\.example\.com\/audit\/1 has 19 entries/)
    expect(stdout).not.toContain('Kept')
    expect(stderr).toMatch(/^Nothing was kept for the next time.*nowhere\/kept\.json/)
    expect(stderr.trim()).not.toContain('\n')
  })

  test('does not take a fault of its own for tampering', async () => {
    const folder = auditor()
    const { code, stdout, stderr } = await broken(['one', '--key', KEY!], folder)
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr).toMatch(/^The verification could not be finished: .*\n$/)
  })

  test('follows no link to where it writes, and leaves nothing there but what it keeps', async () => {
    const folder = auditor()
    writeFileSync(path.join(folder, 'letter'), 'Dear auditor')
    for (const name of ['kept.json', 'kept.tmp']) symlinkSync('letter', path.join(folder, name))
    expect((await run(['one', '--key', KEY!, '--state', 'kept.json'], folder)).code).toBe(2)
    expect(readFileSync(path.join(folder, 'letter'), 'utf8')).toBe('Dear auditor')
    expect((await run(['one', '--key', KEY!, '--state', 'kept'], folder)).code).toBe(0)
    expect(readdirSync(folder).sort()).toEqual(['kept', 'kept.json', 'kept.tmp', 'letter', 'one'])
  })

  test.each(['[]', '{', '5', '{"format":"keyledger-audit-state","version":1,"keys":[5],"logs":[]}'])(
    'refuses the state %s',
    async (text) => {
      const folder = auditor()
      writeFileSync(path.join(folder, 'audit-state.json'), text)
      const { code, stdout, stderr } = await run(['one', '--key', KEY!], folder)
      expect([code, stdout]).toEqual([2, ''])
      expect(stderr).toContain('is not a state of `audit verify`')
    },
  )

  test('tells how it is called', async () => {
    const { code, stdout } = await run(['--help'], temporary())
    expect(code).toBe(0)
    expect(stdout).toContain('--known')
    expect(stdout).not.toContain('KEYLEDGER_')
  })
})
