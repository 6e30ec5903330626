import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterEach, describe, expect, test } from 'vitest'
import { sendJson } from '#http/answer.ts'
import { createHttpServer, type HttpServer, type RequestHandler } from '#http/server.ts'
import { recordingLogger } from '#test/support/log.ts'

const READY = { ready: true, checks: { serving: 'ok', database: 'ok', migrations: 'ok', secrets: 'ok', clock: 'ok' } }
const servers: HttpServer[] = []

afterEach(async () => {
  for (const server of servers.splice(0)) await server.drain(0)
})

async function start(graphql: RequestHandler = async (_request, response) => sendJson(response, 200, {})) {
  const { log, logged } = recordingLogger()
  const server = createHttpServer({
    graphql,
    secretDownload: graphql,
    eventExport: graphql,
    forwardAuth: graphql,
    auditLog: graphql,
    readiness: async () => READY,
    log,
  })
  servers.push(server)
  const port = await server.listen({ host: '127.0.0.1', port: 0 })
  return { server, port, origin: `http://127.0.0.1:${port}`, logged }
}

function overSocket(port: number, bytes: string): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  socket.write(bytes)
  return text(socket)
}

describe('the request id', () => {
  test.each(['abc', 'A-b_c.9', 'x'.repeat(64)])('is the client’s where it is well-formed: %s', async (id) => {
    const { origin } = await start()
    const response = await fetch(`${origin}/graphql`, { headers: { 'x-request-id': id } })
    expect(response.headers.get('x-request-id')).toBe(id)
  })

  test.each(['', 'a b', 'a,b', '"', 'x'.repeat(65), 'é'])('is a new one where the client’s is not: %s', async (id) => {
    const { origin } = await start()
    const response = await fetch(`${origin}/graphql`, { headers: { 'x-request-id': id } })
    expect(response.headers.get('x-request-id')).toMatch(/^req_[0-9A-Za-z]{20}$/)
  })

  test('is a new one where the client sent two', async () => {
    const { port } = await start()
    const answer = await overSocket(
      port,
      'GET /graphql HTTP/1.1\r\nHost: k\r\nConnection: close\r\nX-Request-Id: a\r\nX-Request-Id: b\r\n\r\n',
    )
    expect(answer).toMatch(/x-request-id: req_/i)
  })

  test.each(['/health/live', '/health/ready', '/nothing', '/graphql'])('is in every answer: %s', async (path) => {
    const { origin } = await start()
    expect((await fetch(origin + path)).headers.get('x-request-id')).toMatch(/^req_/)
  })

  test('is in the answer to what is no request at all', async () => {
    const { port } = await start()
    const answer = await overSocket(port, 'NONSENSE\r\n\r\n')
    expect(answer).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/)
    expect(answer).toMatch(/X-Request-Id: req_/)
  })

  test.each([
    ['that names no host', 'GET /graphql HTTP/1.1\r\n\r\n', 400],
    [
      'that expects what there is not',
      'GET /graphql HTTP/1.1\r\nHost: k\r\nConnection: close\r\nExpect: x\r\n\r\n',
      417,
    ],
  ])('is in the answer to a request that node refuses, %s', async (_what, request, status) => {
    const { port, origin } = await start()
    const answer = await overSocket(port, request)
    expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `))
    expect(answer).toMatch(/x-request-id: req_/i)
    expect((await fetch(`${origin}/health/live`)).status).toBe(200)
  })

  test('is in the answer to headers that are too long', async () => {
    const { port } = await start()
    const answer = await overSocket(port, `GET /graphql HTTP/1.1\r\nHost: k\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`)
    expect(answer).toMatch(/^HTTP\/1\.1 431 /)
  })
})

describe('paths', () => {
  test('that lead nowhere are a JSON 404', async () => {
    const { origin } = await start()
    for (const path of ['/', '/graphqlx', '/health', '//', '/graphql/x', '/health/live/..']) {
      const response = await fetch(origin + path)
      expect(response.status).toBe(404)
      expect(await response.json()).toMatchObject({ errors: [{ extensions: { code: 'NOT_FOUND' } }] })
    }
  })

  test('of health take nothing but GET and HEAD', async () => {
    const { origin } = await start()
    const posted = await fetch(`${origin}/health/live`, { method: 'POST' })
    expect([posted.status, posted.headers.get('allow')]).toEqual([405, 'GET, HEAD'])
    const head = await fetch(`${origin}/health/live`, { method: 'HEAD' })
    expect([head.status, await head.text()]).toEqual([200, ''])
  })
})

describe('a fault in a handler', () => {
  test('is logged whole with the request id, and told the client without anything of it', async () => {
    const { origin, logged } = await start(async () => {
      throw new Error('the inside')
    })
    const response = await fetch(`${origin}/graphql`)
    expect(response.status).toBe(500)
    const body = await response.text()
    expect(JSON.parse(body)).toMatchObject({ errors: [{ message: 'Unexpected error.' }] })
    expect(body).not.toContain('the inside')
    const entry = logged.find(({ msg }) => msg === 'a request failed')
    expect(entry).toMatchObject({ requestId: response.headers.get('x-request-id'), err: { message: 'the inside' } })
  })
})
