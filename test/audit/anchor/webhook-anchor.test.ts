import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { AnchorRecord } from '#audit/anchor/anchor.ts'
import { webhookAnchor } from '#audit/anchor/webhook-anchor.ts'
import { Secret } from '#secret/secret.ts'

type Received = {
  readonly method: string | undefined
  readonly url: string | undefined
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

const RECORD: AnchorRecord = { origin: 'h/audit/1', size: 3, root: 'r', note: 'n\n', heads: { 3: 2 } }

let server: Server
let received: Received[]
let status: number
let location: string | undefined

beforeEach(async () => {
  received = []
  status = 204
  location = undefined
  server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const { method, url, headers } = request
    received.push({ method, url, headers, body: Buffer.concat(chunks).toString() })
    response.setHeader('connection', 'close')
    if (location !== undefined) response.setHeader('location', location)
    response.writeHead(status).end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
})
afterEach(() => new Promise((resolve) => server.close(resolve)))

function urlOf(credentials = ''): Secret {
  return new Secret(`http://${credentials}127.0.0.1:${(server.address() as AddressInfo).port}/hooks?token=t`)
}

test('posts the record as JSON', async () => {
  await webhookAnchor(urlOf()).keep(RECORD)
  expect(received).toMatchObject([
    { method: 'POST', url: '/hooks?token=t', headers: { 'content-type': 'application/json' } },
  ])
  expect(JSON.parse(received[0]?.body ?? '')).toEqual(RECORD)
})

test('sends a password as such, and names nobody but the host', async () => {
  const anchor = webhookAnchor(urlOf('user:pass%20word@'))
  await anchor.keep(RECORD)
  const expected = `Basic ${Buffer.from('user:pass word').toString('base64')}`
  expect(received[0]?.headers.authorization).toBe(expected)
  expect(anchor.name).toMatch(/^127\.0\.0\.1:\d+$/)
})

test.each([400, 404, 500, 503])('an answer of %d is no receipt, and its error tells no token', async (answered) => {
  status = answered
  const error = await webhookAnchor(urlOf('user:pw@'))
    .keep(RECORD)
    .catch((thrown: unknown) => thrown)
  expect(String(error)).toContain(String(answered))
  expect(String(error)).not.toMatch(/token|pw/)
})

test('is not sent on to where an answer points', async () => {
  status = 307
  location = 'https://elsewhere.example.org/'
  await expect(webhookAnchor(urlOf()).keep(RECORD)).rejects.toThrow()
  expect(received).toHaveLength(1)
})

test('can give nothing back', async () => {
  expect(await webhookAnchor(urlOf()).records()).toEqual([])
})
