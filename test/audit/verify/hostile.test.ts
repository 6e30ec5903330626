// Whoever hands over an export may have written anything into it. Reading it ends, with a finding, whatever it is.
import { spawnSync } from 'node:child_process'
import { mkdirSync, rmSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { newLeafSet } from '#audit/verify/leaf-set.ts'
import { verifyFolder } from '#audit/verify/verify.ts'
import { hostile, special } from '#test/audit/support/hostile.ts'
import { soundWorld } from '#test/audit/support/stories.ts'
import { foundIn, pinned, temporary, verifyFiles } from '#test/audit/support/verifying.ts'
import { exportOf, writeFiles } from '#test/audit/support/world.ts'

const MAKE_PIPE = 'mkfifo'

describe('a hostile export', () => {
  test.each(hostile)('with $name is told as such', ({ files, found }) => {
    expect([...foundIn(verifyFiles(files()))].sort()).toEqual([...found].sort())
  })

  function verifySpecial(place: (folder: string) => void): readonly string[] {
    const folder = path.join(temporary(), 'export')
    mkdirSync(folder)
    writeFiles(folder, exportOf(soundWorld()))
    place(folder)
    const { verification } = verifyFolder(folder, { keys: pinned(1), known: [], accepts: new Set(), accepted: [] })
    expect(verification.verdict).toBe('incomplete')
    return foundIn(verification)
  }

  test.each(special)('does not lead out of its folder by $name', ({ file, place }) => {
    expect(verifySpecial(place)).toContain(`unreadable: ${file}`)
  })

  test('is not waited for where a file is a pipe', () => {
    const found = verifySpecial((folder) => {
      rmSync(path.join(folder, 'accounts.ndjson'))
      spawnSync(MAKE_PIPE, [path.join(folder, 'accounts.ndjson')])
    })
    expect(found).toEqual(['unreadable: accounts.ndjson'])
  })
})

describe('the set of leaves', () => {
  const LEAVES = 200_000

  test('finds the first of as many equal ones as there are', () => {
    const leaves = newLeafSet(Buffer.alloc(LEAVES * 32))
    expect(leaves.indexOf(Buffer.alloc(32))).toBe(0)
    expect(leaves.indexOf(Buffer.alloc(32, 1))).toBeUndefined()
  })

  test('is not slowed down by leaves that begin with the same bytes', () => {
    const hashes = Buffer.alloc(LEAVES * 32)
    for (let leaf = 0; leaf < LEAVES; leaf++) hashes.writeUInt32LE(leaf, leaf * 32 + 28)
    const leaves = newLeafSet(hashes)
    for (const leaf of [0, 1, 777, LEAVES - 1]) expect(leaves.indexOf(leaves.at(leaf))).toBe(leaf)
  })
})
