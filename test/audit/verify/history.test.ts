// What was kept outside against what is there now: checkpoints of every form, keys that changed, logs that follow each other.
import { describe, expect, test } from 'vitest'
import { accountHeadText } from '#audit/note/account-head.ts'
import { proofText } from '#audit/note/proof-text.ts'
import { signNote } from '#audit/note/signed-note.ts'
import { edgeOf, rootOf } from '#audit/tree/edge.ts'
import { inclusionProof } from '#audit/tree/proofs.ts'
import { signersOf } from '#test/audit/support/keys.ts'
import { cutTo, renamed, restored } from '#test/audit/support/restored.ts'
import { ACME, addUsers, BETA, populate, soundWorld } from '#test/audit/support/stories.ts'
import { foundIn, type Given, verifyFiles, verifyWorld } from '#test/audit/support/verifying.ts'
import {
  type DbLog,
  exportOf,
  HOST,
  newWorld,
  openLog,
  rotateKeys,
  seal,
  type World,
} from '#test/audit/support/world.ts'

const log = (world: World): DbLog => world.logs.at(-1)!
const newest = (world: World) => log(world).checkpoints.at(-1)!
const verdictOf = (world: World, given?: Given) => {
  const verification = verifyWorld(world, given)
  return [verification.verdict, ...foundIn(verification)]
}

/** A line of an anchor's file. */
function record(world: World): string {
  const { size, root, note } = newest(world)
  const heads = Object.fromEntries(log(world).cursor)
  return `${JSON.stringify({ origin: log(world).origin, size, root: root.toString('base64'), note, heads })}\n`
}

describe('a checkpoint that was kept outside', () => {
  test('agrees with the history that grew out of it, in every form', async () => {
    const world = soundWorld()
    const { root, note, size } = newest(world)
    const [signer] = signersOf(log(world).origin, 1)
    const read = async (tiles: readonly { level: number; index: number; width: number }[]) =>
      tiles.map(({ level, index, width }) =>
        log(world)
          .tiles.get(`${level}/${index}`)!
          .subarray(0, width * 32),
      )
    const proof = await inclusionProof(read, 7, size)
    const head = { origin: log(world).origin, accountId: BETA, count: 4, size, root }
    const known = [
      note,
      log(world).checkpoints[1]!.note,
      record(world),
      `${record(world)}{"origin":"cut of\n${record(world)}`,
      proofText({ index: 7, proof, note }),
      signNote(accountHeadText(head), [signer!]),
    ]
    addUsers(world, 5)
    seal(world)
    expect(verdictOf(world, { known })).toEqual(['sound'])
    const other = [
      proofText({ index: 8, proof, note }),
      signNote(accountHeadText({ ...head, count: 5 }), [signer!]),
      signNote(accountHeadText({ ...head, accountId: ACME }), [signer!]),
    ]
    expect([...verdictOf(world, { known: other })].sort()).toEqual(
      ['tampered', 'history-differs: known 1', 'history-differs: known 2', 'history-differs: known 3'].sort(),
    )
  })

  test('tells that the history is shorter, and what it had besides', () => {
    const world = soundWorld()
    const known = [newest(world).note, record(world)]
    restored(world, 14)
    expect(verdictOf(world)).toEqual(['sound'])
    const verification = verifyWorld(world, { known })
    expect(verification.verdict).toBe('tampered')
    expect(foundIn(verification)).toEqual(['history-shorter: known 1', 'history-shorter: known 2, line 1'])
    expect(verification.findings[1]!.detail).toContain('positions 3 to 4 of shard 0, positions 12 to 14 of shard 3.')
  })

  test('tells that the history is another one, though its operator signed both', () => {
    const world = soundWorld()
    const other = newWorld()
    openLog(other, [1])
    populate(other)
    addUsers(other, 20, BETA)
    seal(other)
    expect(verdictOf(other, { known: [newest(world).note] })).toEqual(['tampered', 'history-differs: known 1'])
  })

  test('tells that a whole log is gone', () => {
    const world = soundWorld()
    const known = [newest(world).note]
    log(world).origin = 'keys.example.com/audit/7'
    world.logs.length = 0
    const again = openLog(world, [1])
    again.number = 1
    const verification = verifyWorld(world, { known: known.map((note) => note.replaceAll('audit/1', 'audit/3')) })
    // Whatever nobody signed proves nothing.
    expect(verification.verdict).toBe('incomplete')
    expect(foundIn(verification)).toEqual(['no-key: known 1'])
    const three = signNote(
      `keys.example.com/audit/3\n5\n${Buffer.alloc(32).toString('base64')}\n`,
      signersOf('keys.example.com/audit/3', 1),
    )
    expect(verdictOf(world, { known: [three] })).toEqual(['tampered', 'history-shorter: known 1'])
  })
})

describe('keys that change', () => {
  function rotated(): World {
    const world = newWorld()
    openLog(world, [1])
    populate(world)
    seal(world, 5)
    rotateKeys(log(world), [2, 1], [2])
    seal(world, 3)
    return world
  }

  test('are followed from the one that is trusted', () => {
    const world = rotated()
    expect(verdictOf(world, { keys: [1] })).toEqual(['sound'])
    rotateKeys(log(world), [3, 2], [3])
    seal(world)
    expect(verdictOf(world, { keys: [1] })).toEqual(['sound'])
    // It sealed entries that tell of those before it.
    expect(verdictOf(world, { keys: [3] })).toEqual(['sound'])
  })

  test('are not believed where only they say so themselves', () => {
    const world = newWorld()
    openLog(world, [1])
    populate(world)
    seal(world, 5)
    // Key 1 never signed a tree with this entry in it.
    rotateKeys(log(world), [2], [2])
    seal(world)
    expect(verdictOf(world, { keys: [1] })).toEqual([
      'tampered',
      'signature: audit/1/checkpoint',
      'signature: audit/1 checkpoint 7',
      'signature: audit/1 checkpoint 15',
    ])
  })
})

type Anchored = { readonly size: number; readonly root: Buffer }

describe('a log that follows another', () => {
  /** The second log seals everything anew. */
  function follow(world: World, anchored: Anchored | null): void {
    const { note } = newest(world)
    openLog(world, [1], { note, anchored, reason: 'restored from a backup' })
    seal(world)
  }

  test('is sound where nothing is missing, its key trusted since that of the former is', () => {
    const world = soundWorld()
    follow(world, null)
    expect(verdictOf(world)).toEqual(['sound'])
    follow(world, null)
    expect(verdictOf(world)).toEqual(['sound'])
  })

  test("does not take a former log's entries of itself for events that are missing", () => {
    const world = newWorld()
    openLog(world, [1])
    populate(world)
    seal(world, 5)
    rotateKeys(log(world), [2, 1], [2])
    seal(world)
    const { note } = newest(world)
    openLog(world, [2], { note, anchored: null, reason: 'moved' })
    seal(world)
    expect(verdictOf(world, { keys: [1] })).toEqual(['sound'])
  })

  test('tells what was lost that an anchor knew of', () => {
    const world = soundWorld()
    const { size, root } = newest(world)
    const known = [record(world)]
    restored(world, 14)
    follow(world, { size, root })
    expect(verdictOf(world)).toEqual(['tampered', 'former-log: audit/1 leaves 14 to 18'])
    expect(verdictOf(world, { known })).toEqual([
      'tampered',
      'former-log: audit/1 leaves 14 to 18',
      'history-shorter: known 1, line 1',
    ])
  })

  test('no longer tells of losses whose log is accepted, but names them', () => {
    const world = soundWorld()
    const { size, root } = newest(world)
    const known = [record(world)]
    restored(world, 14)
    follow(world, { size, root })
    const accepted = verifyWorld(world, { known, accepts: [`${HOST}/2`] })
    expect([accepted.verdict, ...foundIn(accepted)]).toEqual(['sound'])
    expect(foundIn({ findings: accepted.accepted })).toEqual([
      'former-log: audit/1 leaves 14 to 18',
      'history-shorter: known 1, line 1',
    ])
    expect(accepted.opened).toMatchObject([
      { origin: `${HOST}/2`, follows: `${HOST}/1`, reason: 'restored from a backup' },
    ])
    expect(verdictOf(world, { known, accepts: [`${HOST}/1`] })[0]).toBe('tampered')
  })

  test.each([
    ['of none', () => null],
    ['of less', ({ size, root }: Anchored) => ({ size: size - 1, root })],
    ['of another history', ({ size }: Anchored) => ({ size, root: Buffer.alloc(32, 9) })],
  ])('tells of losses where the accepted log told %s', (_, toldOf) => {
    const world = soundWorld()
    const known = [record(world)]
    const told = toldOf(newest(world))
    restored(world, 14)
    follow(world, told)
    expect(verdictOf(world, { known, accepts: [`${HOST}/2`] })).toEqual([
      'tampered',
      'history-shorter: known 1, line 1',
    ])
  })

  test('accepts with a log what was lost before it was opened, and not what another lost', () => {
    const world = soundWorld()
    const [, , , first, second] = world.events
    Object.assign(first!, { mac_secret_id: 'k9' })
    follow(world, null)
    Object.assign(second!, { mac_secret_id: 'k9' })
    follow(world, null)
    const [byFirst, bySecond] = [verdictOf(world)[1]!, verdictOf(world)[2]!]
    expect(verdictOf(world)).toEqual(['tampered', byFirst, bySecond])
    expect([byFirst, bySecond]).toEqual([
      expect.stringContaining('audit/1 leaf'),
      expect.stringContaining('audit/2 leaf'),
    ])
    expect(verdictOf(world, { accepts: [`${HOST}/3`] })).toEqual(['tampered', byFirst])
    expect(verdictOf(world, { accepts: [`${HOST}/2`] })).toEqual(['tampered', bySecond])
    expect(verdictOf(world, { accepts: [`${HOST}/2`, `${HOST}/3`] })).toEqual(['sound'])
  })

  test('tells what was sealed before and is not any more', () => {
    const world = soundWorld()
    const sealed = structuredClone(world.events.find(({ event_id }) => event_id === 'evt_0300000000000000000004')!)
    follow(world, null)
    const event = world.events.find(({ event_id }) => event_id === sealed.event_id)!
    event.mac_secret_id = 'k9'
    const second = log(world)
    world.logs.pop()
    void second
    follow(world, null)
    expect(verdictOf(world)).toEqual(['tampered', 'former-log: audit/1 leaf 4'])
  })

  test('names a former log that was changed, or is another than it began with', () => {
    const world = soundWorld()
    follow(world, null)
    world.logs[0]!.tiles.get('0/0')!.fill(3, 128, 160)
    expect(verdictOf(world)).toEqual([
      'tampered',
      'root: audit/1/checkpoint',
      'root: audit/1 checkpoint 6',
      'former-log: audit/1 leaf 4',
    ])
    const cut = soundWorld()
    follow(cut, null)
    cutTo(cut.logs[0]!, 14)
    expect(verdictOf(cut)).toEqual(['tampered', 'former-log: audit/1/checkpoint'])
    const first = soundWorld()
    follow(first, null)
    first.logs.shift()
    expect(verdictOf(first)).toEqual(['tampered', 'former-log: audit/2 leaf 0'])
  })

  test('says how it began, though another one followed it', () => {
    const world = soundWorld()
    const { size, root } = newest(world)
    const known = [record(world)]
    restored(world, 14)
    follow(world, { size, root })
    follow(world, null)
    for (const number of [0, 1]) {
      const [first] = world.logs[number]!.leaves
      const { entry } = first!
      first!.entry = null
      expect(verdictOf(world, { accepts: [`${HOST}/2`, `${HOST}/3`] })).toEqual([
        'tampered',
        `former-log: audit/${number + 1} leaf 0`,
      ])
      first!.entry = entry
    }
    expect(verdictOf(world, { known, accepts: [`${HOST}/2`] })).toEqual(['sound'])
    expect(verdictOf(world, { known, accepts: [`${HOST}/3`] })[0]).toBe('tampered')
  })

  test('says its own name', () => {
    const world = soundWorld()
    follow(world, null)
    renamed(world)
    expect(verdictOf(world)).toEqual(['tampered', 'former-log: audit/3 leaf 0'])
  })

  test('is not followed by one that is no more', () => {
    const world = soundWorld()
    follow(world, null)
    const setBack = verifyFiles(exportOf(world, world.logs[0]))
    expect([setBack.verdict, ...foundIn(setBack)]).toEqual(['tampered', 'former-log: export.json'])
  })

  test('is one that an anchor knew by the same root', () => {
    const world = soundWorld()
    follow(world, { size: newest(world).size, root: Buffer.alloc(32, 9) })
    expect(verdictOf(world, { accepts: [`${HOST}/2`] })).toEqual(['tampered', 'former-log: audit/1/checkpoint'])
  })

  test('is one that an anchor knew, also where it has grown beyond that again', () => {
    const world = soundWorld()
    const { size, root } = newest(world)
    restored(world, 14)
    addUsers(world, 9, BETA)
    seal(world)
    expect(log(world).size).toBeGreaterThan(size)
    follow(world, { size, root })
    expect(verdictOf(world, { accepts: [`${HOST}/2`] })).toEqual(['tampered', 'former-log: audit/1/checkpoint'])
  })

  test('has as many events of an account as a head of the former said, or some that are lost', () => {
    const world = soundWorld()
    const { size, root } = newest(world)
    const heads = [4, 5].map((count) => {
      const text = accountHeadText({ origin: `${HOST}/1`, accountId: BETA, count, size, root })
      return signNote(text, signersOf(`${HOST}/1`, 1))
    })
    follow(world, null)
    expect(verdictOf(world, { known: [heads[0]!] })).toEqual(['sound'])
    expect(verdictOf(world, { known: [heads[1]!] })).toEqual(['tampered', 'history-differs: known 1'])
    // By its own leaves, which have other numbers in the next.
    const moved = newWorld()
    openLog(moved, [1])
    populate(moved)
    seal(moved, 2)
    rotateKeys(log(moved), [1], [1])
    seal(moved)
    const [former] = moved.logs
    const beta = moved.accounts.find(({ account_id: accountId }) => accountId === BETA)
    const ofBeta = former!.leaves.filter(({ shard }) => shard === beta?.shard)
    const before = ofBeta.at(-1)!.leaf_index
    const tree = edgeOf(before, ({ level, index }) => former!.tiles.get(`${level}/${index}`))!
    const text = accountHeadText({
      ...{ origin: `${HOST}/1`, accountId: BETA, count: ofBeta.length - 1, size: before, root: rootOf(tree) },
    })
    follow(moved, null)
    expect(verdictOf(moved, { known: [signNote(text, signersOf(`${HOST}/1`, 1))] })).toEqual(['sound'])
    // What nobody signed says nothing.
    expect(verdictOf(world, { known: [heads[1]!.slice(0, heads[1]!.indexOf('\n\n') + 2)] })).toEqual([
      'incomplete',
      'no-key: known 1',
    ])
    const lossy = soundWorld()
    Object.assign(lossy.events[4]!, { mac_secret_id: 'k9' })
    follow(lossy, null)
    expect(verdictOf(lossy, { known: [heads[1]!], accepts: [`${HOST}/2`] })).toEqual(['sound'])
  })

  test('says that it follows', () => {
    const world = soundWorld()
    openLog(world, [1])
    seal(world)
    expect(verdictOf(world)).toEqual(['tampered', 'former-log: audit/2 leaf 0'])
  })
})
