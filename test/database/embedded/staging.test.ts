// Binaries are only run from a copy that no other user can have touched.

import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { stage } from '#database/embedded/staging.ts'

const isRoot = process.getuid?.() === 0
const nothing = () => {}

function temporaryFolder(): string {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'embedded-test-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

function sourceFolder(content = 'program'): string {
  const source = path.join(temporaryFolder(), 'native')
  mkdirSync(path.join(source, 'bin'), { recursive: true, mode: 0o700 })
  mkdirSync(path.join(source, 'lib/deep'), { recursive: true, mode: 0o700 })
  writeFileSync(path.join(source, 'bin/postgres'), content, { mode: 0o700 })
  writeFileSync(path.join(source, 'lib/deep/text'), 'text', { mode: 0o600 })
  writeFileSync(path.join(source, 'lib/for-building.a'), 'archive')
  return source
}

const mode = (file: string) => (statSync(file).mode & 0o7777).toString(8)

describe('a staged copy', () => {
  test('is whole, readable by everybody and writable by its owner only, whatever the source and the umask are', async () => {
    const base = path.join(temporaryFolder(), 'base')
    const before = process.umask(0o077)
    onTestFinished(() => void process.umask(before))
    const staged = await stage(sourceFolder(), base, 'postgres-18', (fresh) =>
      symlinkSync('text', path.join(fresh, 'lib/deep/link')),
    )
    expect(readFileSync(path.join(staged, 'bin/postgres'), 'utf8')).toBe('program')
    expect(readFileSync(path.join(staged, 'lib/deep/link'), 'utf8')).toBe('text')
    expect(existsSync(path.join(staged, 'lib/for-building.a'))).toBe(false)
    const folders = [base, staged, path.join(staged, 'bin'), path.join(staged, 'lib/deep')]
    expect(folders.map(mode)).toEqual(['755', '755', '755', '755'])
    expect([mode(path.join(staged, 'bin/postgres')), mode(path.join(staged, 'lib/deep/text'))]).toEqual(['755', '644'])
  })

  test('is made once for the same content, and anew for another', async () => {
    const base = path.join(temporaryFolder(), 'base')
    const made: string[] = []
    const note = (fresh: string) => void made.push(fresh)
    const [one, other] = await Promise.all([
      stage(sourceFolder(), base, 'postgres-18', note),
      stage(sourceFolder('tampered'), base, 'postgres-18', note),
    ])
    expect(await stage(sourceFolder(), base, 'postgres-18', note)).toBe(one)
    expect(one).not.toBe(other)
    expect(made).toHaveLength(2)
    expect(readdirSync(base).sort()).toEqual([path.basename(one), path.basename(other)].sort())
  })

  test('never appears unless it is whole, and what a killed process left is removed', async () => {
    const base = path.join(temporaryFolder(), 'base')
    const source = sourceFolder()
    const failing = stage(source, base, 'postgres-18', () => {
      throw new Error('the disk is full')
    })
    await expect(failing).rejects.toThrow('the disk is full')
    expect(readdirSync(base)).toEqual([])

    const staged = await stage(source, base, 'postgres-18', nothing)
    rmSync(staged, { recursive: true })
    // No process has a pid this high, so the one that left this is gone.
    mkdirSync(`${staged}.new-99999999-abcdef`)
    await stage(source, base, 'postgres-18', nothing)
    expect(readdirSync(base)).toEqual([path.basename(staged)])
  })
})

describe('a place to stage in is refused', () => {
  test('when it is a link, which could be turned elsewhere later', async () => {
    const folder = temporaryFolder()
    mkdirSync(path.join(folder, 'real'))
    symlinkSync('real', path.join(folder, 'base'))
    const staging = stage(sourceFolder(), path.join(folder, 'base'), 'postgres-18', nothing)
    await expect(staging).rejects.toThrow(/only uid \d+ can write/)
    expect(readdirSync(path.join(folder, 'real'))).toEqual([])
  })

  test('when others can write to it', async () => {
    const base = temporaryFolder()
    chmodSync(base, 0o775)
    await expect(stage(sourceFolder(), base, 'postgres-18', nothing)).rejects.toThrow(/only uid \d+ can write/)
    expect(readdirSync(base)).toEqual([])
  })

  test('when a copy of that name is there which others can write to', async () => {
    const base = temporaryFolder()
    const staged = await stage(sourceFolder(), base, 'postgres-18', nothing)
    chmodSync(staged, 0o777)
    await expect(stage(sourceFolder(), base, 'postgres-18', nothing)).rejects.toThrow(/only uid \d+ can write/)
  })

  test.skipIf(!isRoot)('when another user made it first (needs root to be that user)', async () => {
    const base = temporaryFolder()
    chownSync(base, 65_534, 65_534)
    await expect(stage(sourceFolder(), base, 'postgres-18', nothing)).rejects.toThrow(/only uid 0 can write/)
    expect(readdirSync(base)).toEqual([])
  })

  test.skipIf(!isRoot)('for root, when another user could rename it (needs root)', async () => {
    const folder = temporaryFolder()
    const base = path.join(folder, 'base')
    chmodSync(folder, 0o777)
    await expect(stage(sourceFolder(), base, 'postgres-18', nothing)).rejects.toThrow(/which other users can write to/)
    chmodSync(folder, 0o1777)
    expect(await stage(sourceFolder(), base, 'postgres-18', nothing)).toContain(base)
  })
})
