// What an export keeps to while things go wrong: readers who are slow or leave, writers who go on, a caller who is revoked, an
// instance that stops. Every event once, and no end that looks clean and is none.
import type { IncomingMessage } from 'node:http'
import net from 'node:net'
import { text } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { startTestApp, type TestApp } from '#test/support/app.ts'
import { appendUpdates, exportOf, openExport, positionsIn, readExport } from '#test/support/export.ts'
import { statementsOf } from '#test/support/statements.ts'
import { PATIENTLY } from '#test/support/wait.ts'

const READER_MAX_MS = 4_000
const MEGABYTE = 1_048_576
/** More than sockets and their buffers hold between two processes of one machine. */
const LENGTH = 20_000
const COUNT = 2_000

type Account = { readonly accountId: string; readonly keyId: string }

let app: TestApp
let large: Account
beforeAll(async () => {
  app = await startTestApp({ eventStreamTimes: { heartbeatMs: 50, readerMaxMs: READER_MAX_MS, lastWordsMs: 1_000 } })
  large = await newAccount()
  await appendUpdates(app, large, COUNT, LENGTH)
})
afterAll(() => app.close())

async function newAccount(): Promise<Account> {
  const { accountId } = await app.createAccount()
  const { keyId } = await app.createKey(await app.createKeyspace(accountId))
  return { accountId, keyId }
}

const path = ({ accountId }: Account, search = '') => `/accounts/${accountId}/events.ndjson${search}`
const from1To = (last: number) => Array.from({ length: last }, (_, index) => index + 1)
const headOf = (response: { headers: IncomingMessage['headers'] }) => Number(response.headers['x-events-up-to'])

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void
function heapUsed(): number {
  collectGarbage()
  return process.memoryUsage().heapUsed + process.memoryUsage().arrayBuffers
}

describe('a slow reader', () => {
  test('costs a page of memory, however much there is, and gets all of it', async () => {
    const before = heapUsed()
    const response = await openExport(app, path(large))
    response.setEncoding('utf8')
    let most = Number.NEGATIVE_INFINITY
    let bytes = 0
    let chunks = 0
    let line = ''
    let next = 1
    for await (const chunk of response) {
      bytes += chunk.length
      chunks += 1
      const lines = (line + chunk).split('\n')
      line = lines.pop() ?? ''
      for (const one of lines) expect(one.startsWith(`{"position":"${next++}",`)).toBe(true)
      if (chunks % 29 === 0) await delay(5)
      if (chunks % 101 === 0) most = Math.max(most, heapUsed() - before)
    }
    expect([response.complete, next - 1, line]).toEqual([true, headOf(response), ''])
    expect(bytes).toBeGreaterThan(2 * COUNT * LENGTH)
    // Of a hundred or so: a page of 500 events with what they changed, as rows and as text.
    expect(most).toBeGreaterThan(Number.NEGATIVE_INFINITY)
    expect(most).toBeLessThan(60 * MEGABYTE)
  })

  test('is not read ahead for', async () => {
    const response = await openExport(app, path(large))
    await vi.waitFor(async () => expect(await statementsOf(() => delay(500))).toEqual([]), PATIENTLY)
    response.destroy()
  })

  test('who takes nothing any more is cut off, and sees that it was', async () => {
    const response = await openExport(app, path(large))
    const requestId = response.headers['x-request-id']
    const cutOff = expect.objectContaining({ requestId, msg: 'an export broke off' })
    await vi.waitFor(() => expect(app.logged).toContainEqual(cutOff), PATIENTLY)
    const { isWhole, text: told } = await readExport(response)
    expect(isWhole).toBe(false)
    const positions = positionsIn(told)
    expect(positions.length).toBeLessThan(COUNT)
    expect(positions).toEqual(from1To(positions.length))
  })
})

describe('an export that broke off', () => {
  test('goes on from the last position that came, while many write: none is left out or doubled', async () => {
    const account = await newAccount()
    let writing = true
    const writers = (async () => {
      for (let i = 0; i < 30; i++) await appendUpdates(app, account, 50, 400)
    })().finally(() => {
      writing = false
    })
    const seen: number[] = []
    let breaks = 0
    for (let done = false; !done; ) {
      const isLast = !writing
      const response = await openExport(app, path(account, `?after=${seen.at(-1) ?? 0}`))
      const wanted = isLast ? Number.POSITIVE_INFINITY : Math.random() * 200_000
      const { text: told, isWhole } = await readExport(response, (soFar) => soFar.length > wanted)
      seen.push(...positionsIn(told))
      if (isWhole) expect(seen.at(-1)).toBe(headOf(response))
      else breaks += 1
      done = isLast
    }
    await writers
    expect(breaks).toBeGreaterThan(0)
    const { text: all, isWhole } = await exportOf(app, path(account, '?changes=false'))
    expect(isWhole).toBe(true)
    expect(seen).toEqual(positionsIn(all))
    expect(seen).toEqual(from1To(seen.length))
  })

  test('went as far as the account had come when it began, and no further', async () => {
    const response = await openExport(app, path(large, `?changes=false&after=${COUNT - 600}`))
    await appendUpdates(app, large, 3, 10)
    const { text: told, isWhole } = await readExport(response)
    expect([isWhole, positionsIn(told).at(-1)]).toEqual([true, headOf(response)])
    const rest = await exportOf(app, path(large, `?changes=false&after=${headOf(response)}`))
    expect(positionsIn(rest.text)).toEqual([1, 2, 3].map((n) => headOf(response) + n))
  })

  test('tells by a filter, too, how far it went', async () => {
    const account = await newAccount()
    const filter = '?types=key.updated,key.created'
    const before = await exportOf(app, path(account, filter))
    expect(positionsIn(before.text).length).toBe(1)
    await appendUpdates(app, account, 3, 10)
    const rest = await exportOf(app, path(account, `${filter}&after=${headOf(before)}`))
    expect(positionsIn(rest.text)).toEqual([1, 2, 3].map((n) => headOf(before) + n))
  })
})

describe('it never ends cleanly before its end', () => {
  test('when the caller is revoked, who is told no more than was sent to them by then', async () => {
    const keyspace = 'query ($id: ID!) { account(id: $id) { managementKeyspace { id } } }'
    type Found = { account: { managementKeyspace: { id: string } } }
    const { account } = await app.ask<Found, object>(keyspace, { id: large.accountId })
    const caller = await app.createKey(account.managementKeyspace.id, { permissions: ['events.read'] })
    const response = await openExport(app, path(large), caller.secret)
    await delay(200)
    const revoke = 'mutation ($input: RevokeKeyInput!) { revokeKey(input: $input) { __typename } }'
    await app.ask(revoke, { input: { keyId: caller.keyId } })
    const { isWhole, text: told } = await readExport(response)
    expect(isWhole).toBe(false)
    expect(positionsIn(told).length).toBeLessThan(COUNT / 2)
  })

  test('to HTTP/1.0, which can not tell one end from the other: it is refused', async () => {
    const socket = net.connect(Number(new URL(app.origin).port), '127.0.0.1')
    socket.write(`GET ${path(large)} HTTP/1.0\r\nAuthorization: Bearer ${app.rootKey}\r\n\r\n`)
    const answer = await text(socket)
    expect(answer).toMatch(/^HTTP\/1\.1 505 /)
    expect(answer).not.toContain('position')
  })

  test('when the instance stops', async () => {
    const other = await startTestApp()
    const { accountId } = await other.createAccount()
    const { keyId } = await other.createKey(await other.createKeyspace(accountId))
    await appendUpdates(other, { accountId, keyId }, COUNT, LENGTH)
    const response = await openExport(other, path({ accountId, keyId }))
    const [read] = await Promise.all([delay(200).then(() => readExport(response)), other.close()])
    expect(read.isWhole).toBe(false)
  })
})

test('there are two at once of an account, and room again as soon as one ends, however it does', async () => {
  const open = await Promise.all([openExport(app, path(large)), openExport(app, path(large))])
  const third = await exportOf(app, path(large))
  expect([third.status, third.headers['retry-after']]).toEqual([429, expect.stringMatching(/^\d+$/)])
  expect(third.text).toContain('TOO_MANY_EXPORTS')
  for (const one of open) one.destroy()
  await vi.waitFor(async () => expect((await exportOf(app, path(large, '?after=2000'))).status).toBe(200), PATIENTLY)
})
