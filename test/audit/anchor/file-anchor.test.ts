import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Anchor, AnchorRecord } from '#audit/anchor/anchor.ts'
import { fileAnchor } from '#audit/anchor/file-anchor.ts'

let folder: string
let file: string
let anchor: Anchor

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'keyledger-anchor-'))
  file = path.join(folder, 'checkpoints')
  anchor = fileAnchor(file)
})
afterEach(() => rm(folder, { recursive: true }))

/** Of one log. */
async function last(origin: string, of = anchor): Promise<AnchorRecord | undefined> {
  return (await of.records()).find((record) => record.origin === origin)
}

function recordOf(size: number, origin = 'h/audit/1'): AnchorRecord {
  return { origin, size, root: 'root', note: `${origin}\n${size}\nroot\n\n— ${origin} sig\n`, heads: { 3: size } }
}

test('what is kept is given back, the largest of each log', async () => {
  expect(await last('h/audit/1')).toBeUndefined()
  for (const record of [recordOf(1), recordOf(7), recordOf(2, 'h/audit/2')]) await anchor.keep(record)
  expect(await last('h/audit/1')).toEqual(recordOf(7))
  expect(await last('h/audit/2')).toEqual(recordOf(2, 'h/audit/2'))
  expect(await last('h/audit/3')).toBeUndefined()
})

test('nothing that stands in the file is ever changed', async () => {
  await anchor.keep(recordOf(1))
  const before = await readFile(file, 'utf8')
  await anchor.keep(recordOf(2))
  expect((await readFile(file, 'utf8')).startsWith(before)).toBe(true)
})

test('a line that a process did not finish takes no other with it', async () => {
  await anchor.keep(recordOf(1))
  await appendFile(file, '{"origin":"h/audit/1","size":9')
  expect(await last('h/audit/1')).toEqual(recordOf(1))
  await anchor.keep(recordOf(2))
  expect(await last('h/audit/1')).toEqual(recordOf(2))
})

test('the last record is found behind any amount of another log, characters of several bytes included', async () => {
  await anchor.keep(recordOf(5))
  const others = Array.from({ length: 3_000 }, (_, size) => `${JSON.stringify(recordOf(size, 'ö/audit/1'))}\n`).join('')
  await appendFile(file, others)
  expect(Buffer.byteLength(others)).toBeGreaterThan(200_000)
  expect(await last('h/audit/1')).toEqual(recordOf(5))
  expect(await last('ö/audit/1')).toEqual(recordOf(2_999, 'ö/audit/1'))
})

test('of a file that was set back or rotated, what was known once stays known', async () => {
  for (const record of [recordOf(1), recordOf(9)]) await anchor.keep(record)
  expect(await last('h/audit/1')).toEqual(recordOf(9))
  await writeFile(file, `${JSON.stringify(recordOf(2))}\n`)
  expect(await last('h/audit/1')).toEqual(recordOf(9))
  expect(await last('h/audit/1', fileAnchor(file))).toEqual(recordOf(2))
})

test('what is added is read once it is asked again', async () => {
  await anchor.keep(recordOf(1))
  expect(await last('h/audit/1')).toEqual(recordOf(1))
  await fileAnchor(file).keep(recordOf(4))
  expect(await last('h/audit/1')).toEqual(recordOf(4))
})

test('what can not be read is a fault', async () => {
  await expect(fileAnchor(folder).records()).rejects.toThrow('EISDIR')
})

test('what is no record is passed over', async () => {
  await writeFile(file, 'hello\n{}\n[]\nnull\n{"origin":"h/audit/1","size":"1"}\n')
  expect(await last('h/audit/1')).toBeUndefined()
})

test('a folder that is not there is a fault, not an empty file', async () => {
  await expect(fileAnchor(path.join(folder, 'none', 'file')).keep(recordOf(1))).rejects.toThrow('ENOENT')
})
