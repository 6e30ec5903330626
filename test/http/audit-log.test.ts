import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { type Checkpoint, parseCheckpoint } from '#audit/note/checkpoint.ts'
import { openNote } from '#audit/note/signed-note.ts'
import { parseVkey } from '#audit/note/signing-key.ts'
import { appendLeaves, EMPTY_EDGE, edgeOf, rootOf } from '#audit/tree/edge.ts'
import { leafHash } from '#audit/tree/hash.ts'
import { TILE_WIDTH, tilePath, tilesOf } from '#audit/tree/tiles.ts'
import { startTestApp, type TestApp } from '#test/support/app.ts'
import { entriesIn } from '#test/support/audit-export.ts'
import { appendUpdates } from '#test/support/export.ts'
import { HOST, testSealer, testSigningKeys } from '#test/support/sealing.ts'
import { PATIENTLY } from '#test/support/wait.ts'

let app: TestApp
let key: { readonly accountId: string; readonly keyId: string }
let credential: string
/** When the log was smaller. */
let before: Checkpoint

beforeAll(async () => {
  app = await startTestApp()
  const { accountId } = await app.createAccount()
  key = { accountId, keyId: (await app.createKey(await app.createKeyspace(accountId))).keyId }
  credential = await app.createCredential(accountId, ['*'])
  before = await grow(20)
  await grow(300)
})
afterAll(() => app.close())

const get = (path: string, bearer?: string, method = 'GET') =>
  fetch(`${app.origin}/audit/1/${path}`, {
    method,
    headers: bearer === undefined ? {} : { authorization: `Bearer ${bearer}` },
  })

async function grow(count: number): Promise<Checkpoint> {
  await appendUpdates(app, key, count, 10)
  const sealer = testSealer({ database: app.database.serving, keyring: app.keyring })
  await sealer.sealNow()
  await sealer.stop()
  return newest()
}

async function newest(): Promise<Checkpoint> {
  const note = await (await get('checkpoint')).text()
  const verifiers = testSigningKeys('first')
    .signers(`${HOST}/audit/1`)
    .map(({ vkey }) => parseVkey(vkey))
  const opened = openNote(
    note,
    verifiers.filter((verifier) => verifier !== undefined),
  )
  const checkpoint = 'text' in opened ? parseCheckpoint(opened.text) : undefined
  if (checkpoint === undefined) throw new Error('no checkpoint is served')
  return checkpoint
}

async function bytesAt(path: string, bearer?: string): Promise<Buffer> {
  const response = await get(path, bearer)
  expect(response.status).toBe(200)
  return Buffer.from(await response.arrayBuffer())
}

describe('a client of C2SP that nobody knows', () => {
  test('is given the newest checkpoint, which no cache keeps', async () => {
    const response = await get('checkpoint')
    expect([response.status, response.headers.get('content-type'), response.headers.get('cache-control')]).toEqual([
      200,
      'text/plain; charset=utf-8',
      'no-store',
    ])
    expect(await newest()).toMatchObject({ origin: `${HOST}/audit/1` })
    const head = await get('checkpoint', undefined, 'HEAD')
    expect([head.status, await head.text()]).toEqual([200, ''])
    expect(head.headers.get('content-length')).toBe(response.headers.get('content-length'))
  })

  test('makes the signed root of the tiles, each of which may be kept for good', async () => {
    const { size, root } = await newest()
    const tiles = new Map<string, Buffer>()
    for (const { level, index, width } of tilesOf(size)) {
      const response = await get(tilePath(level, index, width))
      expect([response.status, response.headers.get('content-type'), response.headers.get('cache-control')]).toEqual([
        200,
        'application/octet-stream',
        'public, max-age=31536000, immutable',
      ])
      const hashes = Buffer.from(await response.arrayBuffer())
      expect(hashes).toHaveLength(width * 32)
      tiles.set(`${level}/${index}`, hashes)
    }
    expect(tiles.size).toBe(3)
    const edge = edgeOf(size, ({ level, index }) => tiles.get(`${level}/${index}`))
    expect(edge && rootOf(edge)).toEqual(root)
  })

  test('still has the tiles of an older checkpoint', async () => {
    const { size, root } = before
    const hashes = await bytesAt(tilePath(0, 0, size))
    const edge = edgeOf(size, () => hashes)
    expect(edge && rootOf(edge)).toEqual(root)
  })

  test('finds no tile wider than the log is, and none in another spelling', async () => {
    const { size } = await newest()
    const last = Math.floor(size / TILE_WIDTH)
    const paths = [
      tilePath(0, last, (size % TILE_WIDTH) + 1),
      tilePath(0, last, TILE_WIDTH),
      tilePath(0, last + 1, 1),
      tilePath(1, 0, 2),
      tilePath(2, 0, 1),
      ...[
        'tile/0/000.p/0',
        'tile/0/000.p/256',
        'tile/0/0',
        'tile/00/000',
        'tile/0/x000/000',
        'tile/0/000.p/01',
        'tile/64/000',
      ],
      ...['tile/0/000/', 'tile', '', 'checkpoint/', 'tile/entries/000.p/0', 'tile/0/-01', '../health/live'],
    ]
    for (const path of paths) expect([path, (await get(path)).status]).toEqual([path, 404])
    for (const number of ['0', '2', '01', '99999', '1e0', ''])
      expect((await fetch(`${app.origin}/audit/${number}/checkpoint`)).status).toBe(404)
  })

  test('can only read', async () => {
    for (const method of ['POST', 'PUT', 'DELETE', 'PATCH'])
      for (const path of ['checkpoint', 'tile/0/000', 'tile/entries/000']) {
        const response = await get(path, app.rootKey, method)
        expect([response.status, response.headers.get('allow')]).toEqual([405, 'GET, HEAD'])
      }
  })
})

describe('entries', () => {
  test('are for the root key alone, with or without a log', async () => {
    for (const path of ['tile/entries/000', 'tile/entries/000.p/1', 'tile/entries/x999/999'])
      for (const [bearer, status, code] of [
        [undefined, 401, 'UNAUTHENTICATED'],
        ['nonsense', 401, 'UNAUTHENTICATED'],
        [credential, 403, 'FORBIDDEN'],
      ] as const) {
        const response = await get(path, bearer)
        expect(response.status).toBe(status)
        expect(response.headers.get('cache-control')).toBe('no-store')
        expect(await response.json()).toMatchObject({ errors: [{ extensions: { code } }] })
      }
  })

  test('are all that makes the root', async () => {
    const { size, root } = await newest()
    const widths = [TILE_WIDTH, size - TILE_WIDTH]
    const bundles = widths.map((width, index) => bytesAt(tilePath('entries', index, width), app.rootKey))
    const entries = (await Promise.all(bundles)).flatMap(entriesIn)
    expect(entries).toHaveLength(size)
    expect(rootOf(appendLeaves(EMPTY_EDGE, entries.map(leafHash)).edge)).toEqual(root)
    const { headers } = await get('tile/entries/000', app.rootKey)
    expect([headers.get('content-type'), headers.get('cache-control')]).toEqual([
      'application/octet-stream',
      'private, max-age=31536000, immutable',
    ])
  })

  test('are served no further than the log is long', async () => {
    const { size } = await newest()
    for (const path of [
      tilePath('entries', 1, size - TILE_WIDTH + 1),
      tilePath('entries', 1, TILE_WIDTH),
      tilePath('entries', 2, 1),
    ])
      expect((await get(path, app.rootKey)).status).toBe(404)
  })
})

test('whoever asks for more than can be read at a time is told to come again, and leaves room for others', async () => {
  const blocker = await app.database.owner.pool.connect()
  await blocker.query('BEGIN; LOCK TABLE audit.log IN ACCESS EXCLUSIVE MODE')
  const asked = Array.from({ length: 80 }, () => get('tile/0/000'))
  try {
    const refused = asked.map(async (one) => {
      const response = await one
      if (response.status !== 503) throw new Error('It was answered')
      return response
    })
    expect((await Promise.any(refused)).headers.get('retry-after')).toBe('1')
    await vi.waitFor(() => expect(JSON.stringify(app.logged)).toContain('Too many read the audit log'), PATIENTLY)
  } finally {
    await blocker.query('ROLLBACK')
    blocker.release()
  }
  await Promise.all(asked)
  expect((await get('tile/0/000')).status).toBe(200)
})
