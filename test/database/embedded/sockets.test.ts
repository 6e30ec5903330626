// Where the socket goes, and that the folders of killed processes do not pile up there.

import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { makeSocketFolder, removeSocketFolder } from '#database/embedded/sockets.ts'

function temporaryFolder(): string {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'embedded-test-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

function useAsTmpdir(folder: string): void {
  vi.stubEnv('TMPDIR', folder)
  onTestFinished(() => void vi.unstubAllEnvs())
}

const nobody = { uid: 65_534, gid: 65_534 }
const isRoot = process.getuid?.() === 0

test('a folder that was abandoned empty is removed, one that may be in use is not', async () => {
  const folder = temporaryFolder()
  useAsTmpdir(folder)
  const minutesAgo = new Date(Date.now() - 120_000)
  for (const name of ['keyledger-empty0', 'keyledger-inuse0', 'keyledger-young0', 'keyledger-archive'])
    mkdirSync(path.join(folder, name))
  writeFileSync(path.join(folder, 'keyledger-inuse0/.s.PGSQL.5432'), '')
  for (const name of ['keyledger-empty0', 'keyledger-inuse0', 'keyledger-archive'])
    utimesSync(path.join(folder, name), minutesAgo, minutesAgo)
  const made = path.basename(await makeSocketFolder({}))
  const expected = [made, 'keyledger-archive', 'keyledger-inuse0', 'keyledger-young0']
  expect(readdirSync(folder).sort()).toEqual(expected.sort())
})

test('a temporary folder whose path is too long for a socket is passed over', async () => {
  const deep = path.join(temporaryFolder(), 'x'.repeat(90))
  mkdirSync(deep)
  useAsTmpdir(deep)
  const made = await makeSocketFolder({})
  onTestFinished(() => rmSync(made, { recursive: true }))
  expect(made).toMatch(/^\/tmp\/keyledger-\w{6}$/)
  expect(readdirSync(deep)).toEqual([])
})

test.skipIf(!isRoot)('a temporary folder closed to the user who runs it is passed over (needs root)', async () => {
  const closed = temporaryFolder()
  useAsTmpdir(closed)
  const made = await makeSocketFolder(nobody)
  onTestFinished(() => rmSync(made, { recursive: true }))
  expect(path.dirname(made)).toBe('/tmp')
  chmodSync(closed, 0o1777)
  expect(path.dirname(await makeSocketFolder(nobody))).toBe(closed)
})

test('only a folder with a name of ours is removed, whatever a file says', async () => {
  const folder = temporaryFolder()
  const precious = path.join(folder, 'precious')
  mkdirSync(path.join(folder, 'keyledger-abcdef'))
  mkdirSync(precious)
  await removeSocketFolder(precious, {})
  await removeSocketFolder('', {})
  await removeSocketFolder(path.join(folder, 'keyledger-abcdef'), {})
  expect(readdirSync(folder)).toEqual(['precious'])
})
