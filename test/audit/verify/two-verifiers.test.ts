// The second verifier, in Python and sharing nothing with ours: both say the same of the same exports.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { logEntry } from '#audit/entry.ts'
import { accountHeadText } from '#audit/note/account-head.ts'
import { proofText } from '#audit/note/proof-text.ts'
import { signNote } from '#audit/note/signed-note.ts'
import { consistencyProof, inclusionProof, isConsistent } from '#audit/tree/proofs.ts'
import type { Finding } from '#audit/verify/findings.ts'
import { type Known, parseKnown } from '#audit/verify/known.ts'
import { readStateFile } from '#audit/verify/state-file.ts'
import { type Verification, verifyFolder } from '#audit/verify/verify.ts'
import { hostile, special } from '#test/audit/support/hostile.ts'
import { signersOf } from '#test/audit/support/keys.ts'
import { leavesUpTo, naiveRoot } from '#test/audit/support/naive-tree.ts'
import { cutTo, renamed, restored } from '#test/audit/support/restored.ts'
import { addUsers, BETA, largeWorld, populate, soundWorld } from '#test/audit/support/stories.ts'
import { ofState, tamperings } from '#test/audit/support/tamperings.ts'
import { memoryTiles } from '#test/audit/support/tiles.ts'
import { foundIn, pinned } from '#test/audit/support/verifying.ts'
import {
  exportOf,
  type Files,
  HOST,
  newWorld,
  openLog,
  rotateKeys,
  seal,
  type World,
  writeFiles,
} from '#test/audit/support/world.ts'

const PROGRAM = fileURLToPath(new URL('../../../auditor/verify.py', import.meta.url))
const DRIVER = fileURLToPath(new URL('../support/verify_many.py', import.meta.url))
const hasPython = spawnSync('python3', ['--version']).status === 0

type Scenario = {
  readonly name: string
  readonly files: () => Files
  readonly keys?: readonly number[]
  readonly known?: (world: World) => readonly string[]
  readonly accepts?: readonly string[]
  /** Puts something into the folder that is no file of the export. */
  readonly place?: (folder: string) => void
}

const log = (world: World) => world.logs.at(-1)!
const of = (world: World, alter: (world: World) => void = () => undefined) => {
  alter(world)
  return exportOf(world)
}

function rotated(overlap: readonly number[]): World {
  const world = newWorld()
  openLog(world, [1])
  populate(world)
  seal(world, 5)
  rotateKeys(log(world), overlap, [2])
  seal(world)
  return world
}

function followed(alter: (world: World) => void = () => undefined): World {
  const world = soundWorld()
  const { note, size, root } = log(world).checkpoints.at(-1)!
  alter(world)
  openLog(world, [1], { note, anchored: { size: size + 3, root }, reason: 'restored' })
  seal(world)
  return world
}

/** A log that follows one whose keys were changed. */
function moved(): World {
  const world = rotated([2, 1])
  const { note } = log(world).checkpoints.at(-1)!
  openLog(world, [2], { note, anchored: null, reason: 'moved' })
  seal(world)
  return world
}

function without(file: string): Files {
  const files = exportOf(soundWorld())
  files.set(file, `${String(files.get(file))}{\n`)
  return files
}

const known = soundWorld()
const newest = log(known).checkpoints.at(-1)!
const [signer] = signersOf(`${HOST}/1`, 1)
const head = { origin: `${HOST}/1`, accountId: BETA, count: 4, size: newest.size, root: newest.root }
const record = (size: number) =>
  `${JSON.stringify({ origin: `${HOST}/1`, size, root: newest.root.toString('base64'), note: newest.note, heads: { 3: 14 } })}\n`
const texts = [
  newest.note,
  log(known).checkpoints[1]!.note,
  `${record(newest.size)}{"cut\n`,
  signNote(accountHeadText(head), [signer!]),
  signNote(accountHeadText({ ...head, count: 5 }), [signer!]),
  signNote(accountHeadText({ ...head, count: 6 }), signersOf(`${HOST}/1`, 2)),
  proofText({ index: 4, proof: [], note: newest.note }),
  newest.note.replaceAll('audit/1', 'audit/3'),
]

const scenarios: readonly Scenario[] = [
  { name: 'sound', files: () => of(soundWorld()) },
  { name: 'several tiles', files: () => of(largeWorld()) },
  {
    name: 'a tile above the leaves',
    files: () => of(largeWorld(), (world) => void log(world).tiles.set('1/0', Buffer.alloc(64, 7))),
  },
  { name: 'nothing but the log itself', files: () => of(newWorld(), (world) => openLog(world, [1])) },
  { name: 'no log at all', files: () => of(newWorld()) },
  { name: 'another host', files: () => of(soundWorld()), keys: [] },
  { name: 'rotated keys', files: () => of(rotated([2, 1])) },
  { name: 'rotated keys without overlap', files: () => of(rotated([2])) },
  { name: 'a log that follows', files: () => of(followed()) },
  {
    name: 'a log that follows, with an event that is not as it was',
    files: () => of(followed((world) => void Object.assign(world.events[3]!, { mac_secret_id: 'k9' }))),
  },
  {
    name: 'losses that are accepted',
    files: () => of(followed((world) => void Object.assign(world.events[3]!, { mac_secret_id: 'k9' }))),
    known: () => [record(newest.size)],
    accepts: [`${HOST}/2`],
  },
  {
    name: 'losses of which only the second is accepted',
    files: () => {
      const world = followed((first) => void Object.assign(first.events[3]!, { mac_secret_id: 'k9' }))
      const { note } = log(world).checkpoints.at(-1)!
      Object.assign(world.events[4]!, { mac_secret_id: 'k9' })
      openLog(world, [1], { note, anchored: null, reason: 'again' })
      seal(world)
      return exportOf(world)
    },
    accepts: [`${HOST}/3`],
  },
  {
    name: 'a log that follows one that is gone',
    files: () => {
      const world = followed()
      const [, second] = world.logs
      const last = second!.checkpoints.at(-1)!
      world.logs.pop()
      restored(world, 14)
      openLog(world, [1], { note: last.note, anchored: last, reason: 'an older backup' }, 3)
      seal(world)
      return exportOf(world)
    },
    known: () => [newest.note, followed().logs[1]!.checkpoints.at(-1)!.note],
    accepts: [`${HOST}/3`],
  },
  ...[
    { told: 'nothing', anchored: null },
    { told: 'less', anchored: { ...newest, size: newest.size - 1 } },
    { told: 'another history', anchored: { ...newest, root: Buffer.alloc(32, 9) } },
    { told: 'it', anchored: newest },
    { told: 'more', anchored: { ...newest, size: newest.size + 1 } },
  ].map(({ told, anchored }) => ({
    name: `a loss that is accepted, of which the log told ${told}`,
    files: () => {
      const world = soundWorld()
      restored(world, 14)
      openLog(world, [1], { note: log(world).checkpoints.at(-1)!.note, anchored, reason: 'restored' })
      seal(world)
      return exportOf(world)
    },
    known: () => [record(newest.size)],
    accepts: [`${HOST}/2`],
  })),
  {
    name: 'a log that is sealed into though another one followed it',
    files: () => {
      const world = followed()
      return exportOf(world, world.logs[0])
    },
  },
  {
    name: 'a former log that does not say how it began',
    files: () => of(followed(), (world) => void Object.assign(world.logs[0]!.leaves[0]!, { entry: null })),
  },
  { name: 'a former log with an entry of its own', files: () => of(moved()) },
  {
    name: 'a former log with an entry of its own that is another',
    files: () =>
      of(moved(), (world) => {
        const keys = signersOf(`${HOST}/1`, 3).map(({ vkey }) => vkey)
        const own = world.logs[0]!.leaves.findLast(({ entry }) => entry !== null)!
        own.entry = logEntry({ kind: 'keys', at: '2026-03-01T10:30:00.000Z', keys })
      }),
  },
  {
    name: 'a former log with another root than an anchor knew',
    files: () => {
      const world = soundWorld()
      const { note, size } = log(world).checkpoints.at(-1)!
      openLog(world, [1], { note, anchored: { size, root: Buffer.alloc(32, 9) }, reason: 'moved' })
      return exportOf(world)
    },
  },
  {
    name: 'a former log that has grown again with another root than an anchor knew',
    files: () => {
      const world = soundWorld()
      const { size, root } = log(world).checkpoints.at(-1)!
      restored(world, 14)
      addUsers(world, 9, BETA)
      seal(world)
      openLog(world, [1], { note: log(world).checkpoints.at(-1)!.note, anchored: { size, root }, reason: 'moved' })
      seal(world)
      return exportOf(world)
    },
  },
  {
    name: 'a former log that ends elsewhere than the next one says',
    files: () => of(followed(), (world) => cutTo(world.logs[0]!, 14)),
  },
  { name: 'a log under another name than its first entry says', files: () => of(followed(), renamed) },
  { name: 'a first log that follows one', files: () => of(followed(), (world) => void world.logs.shift()) },
  { name: 'known checkpoints of a former log', files: () => of(followed()), known: () => texts },
  { name: 'a broken row', files: () => without('events/3.ndjson') },
  { name: 'a broken export.json', files: () => without('export.json') },
  { name: 'known checkpoints', files: () => of(soundWorld()), known: () => texts },
  { name: 'known checkpoints of a larger log', files: () => of(rotated([2, 1])), known: () => texts },
  ...tamperings.map(({ name, alter }) => ({ name, files: () => of(soundWorld(), alter) })),
  ...hostile,
  ...special.map(({ name, place }) => ({ name, files: () => of(soundWorld()), place })),
]

/** What Python finds of state is nothing; of the rest all. */
const withoutState = (found: readonly string[]) => found.filter((one) => !one.startsWith('state: ')).sort()

type Report = Pick<Verification, 'verdict' | 'findings' | 'accepted'>
const whatOf = ({ kind, what }: Finding) => `${kind}: ${what}`

describe.skipIf(!hasPython)('the verifier in Python (skipped where there is no python3)', () => {
  let root: string
  let reports: readonly Report[]
  const calls: { folder: string; keys: string[]; known: [string, string][]; accepts: readonly string[] }[] = []

  beforeAll(() => {
    root = mkdtempSync(path.join(tmpdir(), 'keyledger-two-'))
    for (const [at, scenario] of scenarios.entries()) {
      const folder = path.join(root, String(at), 'export')
      mkdirSync(folder, { recursive: true })
      writeFiles(folder, scenario.files())
      scenario.place?.(folder)
      const keys = pinned(...(scenario.keys ?? [1])).map(({ vkey }) => vkey)
      calls.push({
        folder,
        keys,
        accepts: scenario.accepts ?? [],
        known: (scenario.known?.(known) ?? []).map((text, number) => [`known ${number + 1}`, text]),
      })
    }
    const { stdout, stderr } = spawnSync('python3', [DRIVER], {
      input: JSON.stringify(calls),
      maxBuffer: 1 << 28,
      timeout: 120_000,
    })
    if (stdout.length === 0) throw new Error(String(stderr))
    reports = JSON.parse(String(stdout)) as readonly Report[]
  })
  afterAll(() => rmSync(root, { recursive: true, force: true }))

  test.each(scenarios.map(({ name }, at) => ({ name, at })))('says the same as ours: $name', ({ at }) => {
    const { folder, known: files, accepts } = calls[at]!
    const kept = files.flatMap(([what, text]): readonly Known[] => parseKnown(what, text)!)
    const { verification } = verifyFolder(folder, {
      ...{ keys: pinned(...(scenarios[at]!.keys ?? [1])), known: kept, accepts: new Set(accepts), accepted: [] },
    })
    const report = reports[at]!
    expect(withoutState(foundIn(report))).toEqual(withoutState(foundIn(verification)))
    expect(report.verdict).toBe(verification.verdict)
    const { origin, size, events, pending, erased, opened } = verification
    expect(report.accepted.map(whatOf).sort()).toEqual(verification.accepted.map(whatOf).sort())
    expect(report).toMatchObject({
      origin,
      size,
      root: verification.root,
      events,
      pending,
      erased,
      opened,
      state: 'not compared',
    })
  })

  test('does not say that state was compared', () => {
    const folder = path.join(root, 'state')
    writeFiles(folder, of(soundWorld(), ofState[0]!.alter))
    const run = spawnSync('python3', [PROGRAM, folder, '--key', signer!.vkey, '--state', path.join(root, 'kept.json')])
    expect(String(run.stdout)).toContain('state: not compared')
    expect(run.status).toBe(0)
  })

  test('exits with 0, 1 and 2, and keeps what ours can go on with', () => {
    const state = path.join(root, 'both.json')
    const run = (...args: readonly string[]) => spawnSync('python3', [PROGRAM, ...args, '--state', state, '--json'])
    expect(run(path.join(root, '0', 'export')).status).toBe(2)
    const sound = run(path.join(root, '0', 'export'), '--key', signer!.vkey)
    expect(sound.status).toBe(0)
    expect(JSON.parse(String(sound.stdout))).toMatchObject({ verdict: 'sound', pending: 2 })
    const other = path.join(root, 'other')
    writeFiles(other, of(rotated([2, 1])))
    const shorter = run(other)
    expect(shorter.status).toBe(1)
    expect(foundIn(JSON.parse(String(shorter.stdout)) as Report)).toEqual([`history-shorter: ${state}`])
    const letter = path.join(root, 'letter')
    writeFileSync(letter, 'Dear auditor')
    expect(run(path.join(root, '0', 'export'), '--known', letter).status).toBe(2)
  })

  test('keeps what is accepted, for ours as well', () => {
    const folder = path.join(root, 'followed')
    writeFiles(folder, of(followed()))
    const state = path.join(root, 'accepted.json')
    const run = (...args: readonly string[]) => spawnSync('python3', [PROGRAM, folder, ...args, '--state', state])
    expect(run('--key', signer!.vkey).status).toBe(1)
    expect(existsSync(state)).toBe(false)
    expect(run('--key', signer!.vkey, '--accept', `${HOST}/2`).status).toBe(0)
    expect(String(run().stdout)).toMatch(
      /^sound, but for losses that you accept: .*\naccepted {2}audit\/1 leaves 19 to 21/s,
    )
    expect(readStateFile(state)?.accepted).toEqual([{ log: `${HOST}/2`, lost: 'audit/1 leaves 19 to 21' }])
    // What was accepted, and no more.
    const world = followed()
    cutTo(world.logs[0]!, 14)
    writeFiles(folder, of(world))
    const shorter = run('--accept', `${HOST}/2`)
    expect(shorter.status).toBe(1)
    expect(String(shorter.stdout)).toContain(`history-shorter  ${state}: keys.example.com/audit/1 had 19 entries`)
    const more = followed((first) => void Object.assign(first.events[3]!, { mac_secret_id: 'k9' }))
    writeFiles(folder, of(more))
    expect(String(run().stdout)).toContain('former-log  audit/1 leaf ')
  })
})

describe.skipIf(!hasPython)('proofs in Python', () => {
  test('every one of small trees is believed, with one bit flipped none', async () => {
    const leaves = leavesUpTo(40)
    const tiles = memoryTiles()
    tiles.append(leaves)
    const proofs = []
    for (let size = 1; size <= 40; size++)
      for (let index = 0; index < size; index++) {
        const proof = (await inclusionProof(tiles.read, index, size)).map((hash) => hash.toString('hex'))
        proofs.push({
          index,
          size,
          leaf: leaves[index]!.toString('hex'),
          proof,
          root: naiveRoot(leaves, undefined, 0, size).toString('hex'),
        })
      }
    const { stdout, stderr } = spawnSync('python3', [DRIVER, 'proofs'], { input: JSON.stringify(proofs) })
    expect([String(stdout), String(stderr)]).toEqual([`${proofs.length} right, 0 wrong, 0 flipped ones believed\n`, ''])
    const from = naiveRoot(leaves, undefined, 0, 7)
    const proof = await consistencyProof(tiles.read, 7, 40)
    expect(isConsistent({ from: 7, fromRoot: from, to: 40, toRoot: naiveRoot(leaves), proof })).toBe(true)
  })
})
