// `keyledger audit verify` as an auditor runs it: exit codes, what it keeps, and that it loads no server.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { signersOf } from '#test/audit/support/keys.ts'
import { cutTo } from '#test/audit/support/restored.ts'
import { addUsers, soundWorld } from '#test/audit/support/stories.ts'
import { temporary } from '#test/audit/support/verifying.ts'
import { exportOf, HOST, openLog, rotateKeys, seal, type World, writeFiles } from '#test/audit/support/world.ts'
import { keyledger } from '#test/support/process.ts'

const HOOK = fileURLToPath(new URL('../support/tell-loaded.mjs', import.meta.url))
const [KEY] = signersOf(`${HOST}/1`, 1).map(({ vkey }) => vkey)

/** In a folder of its own, with exports by name. */
function auditor() {
  const folder = temporary()
  return {
    folder,
    receive: (name: string, world: World) => writeFiles(path.join(folder, name), exportOf(world)),
    async verify(...args: readonly string[]) {
      const { code, stdout, stderr } = await keyledger(['audit', 'verify', ...args], {}, folder).ended
      return { code, stdout, stderr }
    },
  }
}

describe('keyledger audit verify', () => {
  test('keeps what it verified, and finds by it that history was cut off', async () => {
    const { folder, receive, verify } = auditor()
    const world = soundWorld()
    receive('one', world)
    const first = await verify('one', '--key', KEY!)
    expect(first).toMatchObject({ code: 0, stderr: '' })
    expect(first.stdout).toContain('sound: keys.example.com/audit/1 has 19 entries')
    expect(first.stdout).toContain('2 events are not sealed yet')
    expect(first.stdout).toContain('evt_0300000000000000000012')
    const kept = readFileSync(path.join(folder, 'audit-state.json'), 'utf8')
    expect(JSON.parse(kept)).toMatchObject({ keys: [KEY], logs: [{ origin: `${HOST}/1`, size: 19 }] })
    addUsers(world, 3)
    seal(world)
    receive('two', world)
    // The key is known from the last time.
    expect((await verify('two')).code).toBe(0)
    const older = await verify('one')
    expect(older.code).toBe(1)
    expect(older.stdout).toContain('history-shorter  ./audit-state.json: keys.example.com/audit/1 had 24 entries')
    // Only what was verified is kept.
    expect(JSON.parse(readFileSync(path.join(folder, 'audit-state.json'), 'utf8'))).toMatchObject({
      logs: [{ size: 24 }],
    })
  })

  test('finds a history that was made anew by its own last verification', async () => {
    const { receive, verify } = auditor()
    const world = soundWorld()
    receive('one', world)
    expect((await verify('one', '--key', KEY!)).code).toBe(0)
    world.logs.length = 0
    world.events[3]!.occurred_at = '2026-03-01T09:30:04.000001Z'
    openLog(world, [1])
    seal(world)
    receive('two', world)
    const { code, stdout } = await verify('two')
    expect(code).toBe(1)
    expect(stdout).toContain('history-differs  ./audit-state.json')
  })

  test('keeps which log was accepted with its losses, of those that follow another', async () => {
    const { folder, receive, verify } = auditor()
    const world = soundWorld()
    const { note, size, root } = world.logs[0]!.checkpoints.at(-1)!
    openLog(world, [1], { note, anchored: { size: size + 2, root }, reason: 'restored' })
    seal(world)
    receive('one', world)
    expect((await verify('one', '--key', KEY!)).code).toBe(1)
    const others = ['--accept', `${HOST}/1`, '--accept', `${HOST}/3`]
    const useless = await verify('one', '--key', KEY!, ...others)
    expect(useless.code).toBe(1)
    expect(useless.stderr).toContain(`--accept ${HOST}/1: no loss before it was found.`)
    const accepted = await verify('one', '--key', KEY!, '--accept', `${HOST}/2`)
    expect(accepted).toMatchObject({ code: 0, stderr: '' })
    expect(accepted.stdout).toContain('sound, but for losses that you accept: ')
    const kept = JSON.parse(readFileSync(path.join(folder, 'audit-state.json'), 'utf8'))
    expect(kept.accepted).toEqual([{ log: `${HOST}/2`, lost: 'audit/1 leaves 19 to 20' }])
    const again = await verify('one')
    expect(again.code).toBe(0)
    expect(again.stdout).toContain('accepted  audit/1 leaves 19 to 20: They were sealed and anchored')
    expect(again.stdout).toContain(`opened  ${HOST}/2 after ${HOST}/1, `)
  })

  test('accepts no more than what was accepted, and never that a log gets shorter that was seen beside the next one', async () => {
    const { receive, verify } = auditor()
    const world = soundWorld()
    const { note, size, root } = world.logs[0]!.checkpoints.at(-1)!
    const first = world.logs[0]!
    openLog(world, [1], { note, anchored: { size: size + 2, root }, reason: 'restored' })
    seal(world)
    receive('one', world)
    expect((await verify('one', '--key', KEY!, '--accept', `${HOST}/2`)).code).toBe(0)
    cutTo(first, 14)
    receive('two', world)
    const shorter = await verify('two', '--accept', `${HOST}/2`)
    expect(shorter.code).toBe(1)
    expect(shorter.stdout).toContain('history-shorter  ./audit-state.json: keys.example.com/audit/1 had 19 entries')
    const unseen = await verify('two', '--key', KEY!, '--state', 'other.json')
    expect(unseen.stdout).toContain('former-log  audit/1 leaves 14 to 20: ')
  })

  test('tells of a loss that was found later, though that log was accepted', async () => {
    const { receive, verify } = auditor()
    const world = soundWorld()
    rotateKeys(world.logs[0]!, [1], [1])
    const { note, size, root } = world.logs[0]!.checkpoints.at(-1)!
    openLog(world, [1], { note, anchored: { size: size + 2, root }, reason: 'restored' })
    seal(world)
    receive('one', world)
    expect((await verify('one', '--key', KEY!, '--accept', `${HOST}/2`)).code).toBe(0)
    const own = world.logs[0]!.leaves.findLast(({ entry }) => entry !== null)!
    own.entry = null
    receive('two', world)
    const later = await verify('two')
    expect(later.code).toBe(1)
    expect(later.stdout).toContain(`former-log  audit/1 leaf ${own.leaf_index}: `)
    expect(later.stdout).toContain(`accepted  audit/1 leaves ${size} to ${size + 1}: `)
  })

  test('serves for several installations with one state', async () => {
    const { folder, receive, verify } = auditor()
    receive('one', soundWorld())
    expect((await verify('one', '--key', KEY!)).code).toBe(0)
    const state = path.join(folder, 'audit-state.json')
    const kept = JSON.parse(readFileSync(state, 'utf8'))
    const other = { origin: 'other.example.org/audit/1', size: 5, root: kept.logs[0].root }
    const loss = { log: 'other.example.org/audit/1', lost: 'audit/1 leaf 3' }
    writeFileSync(state, JSON.stringify({ ...kept, logs: [...kept.logs, other], accepted: [loss] }))
    expect((await verify('one')).code).toBe(0)
    const then = JSON.parse(readFileSync(state, 'utf8'))
    expect(then.logs).toEqual([other, ...kept.logs])
    expect(then.accepted).toEqual([loss])
  })

  test('tells a program what it found, by --json', async () => {
    const { folder, receive, verify } = auditor()
    const world = soundWorld()
    world.events[3]!.type = 'policy.deleted'
    receive('one', world)
    const { code, stdout } = await verify('one', '--json', '--key', KEY!, '--state', 'elsewhere.json')
    expect(code).toBe(1)
    expect(JSON.parse(stdout)).toMatchObject({
      ...{ verdict: 'tampered', size: 19, events: 20, pending: 2 },
      counts: { 'event-changed': 1 },
      findings: [
        { kind: 'event-changed', what: 'evt_0300000000000000000004', detail: 'Its body says otherwise than type.' },
      ],
    })
    expect(existsSync(path.join(folder, 'elsewhere.json'))).toBe(false)
  })

  test('compares with files that were kept, and refuses those that are something else', async () => {
    const { folder, receive, verify } = auditor()
    const world = soundWorld()
    writeFileSync(path.join(folder, 'kept.note'), world.logs[0]!.checkpoints[1]!.note)
    writeFileSync(path.join(folder, 'letter.txt'), 'Dear auditor')
    receive('one', world)
    expect((await verify('one', '--key', KEY!, '--known', 'kept.note')).code).toBe(0)
    const { code, stderr } = await verify('one', '--known', 'letter.txt')
    expect(code).toBe(2)
    expect(stderr).toContain('letter.txt is neither a checkpoint nor')
  })

  test.each([
    [[], 'Usage'],
    [['one', 'two'], 'Usage'],
    [['nowhere', '--key', KEY!], 'nowhere'],
    [['empty', '--key', 'hello'], 'vkey'],
    [['empty'], 'No key is trusted yet'],
    [['empty', '--key', KEY!, '--loud'], '--loud'],
    [['empty', '--key', KEY!, '--state', 'broken.json'], 'broken.json is not a state'],
    [['empty', '--key', KEY!], 'manifest.sha256'],
    [['.', '--key', KEY!], 'audit-state.json would lie in the folder that is verified'],
    [['empty', '--key', KEY!, '--state', 'empty/new/../kept.json'], 'would lie in the folder'],
  ])('exits with 2 where it is called as %j', async (args, said) => {
    const { folder, verify } = auditor()
    writeFileSync(path.join(folder, 'broken.json'), '{}')
    mkdirSync(path.join(folder, 'empty/new'), { recursive: true })
    const { code, stdout, stderr } = await verify(...args)
    expect(code).toBe(2)
    expect(stdout + stderr).toContain(said)
  })

  test('loads neither a server nor what one is made of', async () => {
    const { folder, receive } = auditor()
    receive('one', soundWorld())
    const variables = { NODE_OPTIONS: `--import ${HOOK}` }
    const { code, stderr } = await keyledger(['audit', 'verify', 'one', '--key', KEY!], variables, folder).ended
    expect(code).toBe(0)
    const loaded = stderr.split('\n').filter((line) => line.startsWith('loaded '))
    expect(loaded.some((line) => line.endsWith('/src/audit/verify/verify.ts'))).toBe(true)
    const ours = loaded.flatMap((line) => /\/(?:src|node_modules)\/((?:@[^/]+\/)?[^/]+)/.exec(line)?.[1] ?? [])
    expect([...new Set(ours)].sort()).toEqual(['audit', 'canonicalize', 'cli', 'domain', 'log', 'state'])
    expect(loaded.filter((line) => line.includes('/src/log/')).map((line) => path.basename(line))).toEqual([
      'upcast.ts',
    ])
  })
})
