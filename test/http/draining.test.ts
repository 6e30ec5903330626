// A server that stops, as its clients see it over real sockets: what was sent to it is answered, what it has answered arrives whole,
// and what was not carried out is not half answered.
import { once } from 'node:events'
import { Agent, request as ask, type IncomingMessage, type ServerResponse } from 'node:http'
import { connect, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterEach, expect, test, vi } from 'vitest'
import { sendJson } from '#http/answer.ts'
import { createHttpServer, type HttpServer, type RequestHandler } from '#http/server.ts'
import { recordingLogger } from '#test/support/log.ts'
import { PATIENTLY } from '#test/support/wait.ts'

const READY = { ready: true, checks: { serving: 'ok', database: 'ok', migrations: 'ok', secrets: 'ok', clock: 'ok' } }
/** More than the system lets any socket keep. */
const LARGE = 60_000_000
const LONG_MS = 60_000

const servers: HttpServer[] = []
const agents: Agent[] = []
afterEach(async () => {
  for (const agent of agents.splice(0)) agent.destroy()
  for (const server of servers.splice(0)) await server.drain(0)
})

type Options = { readonly idleGraceMs?: number; readonly answer?: RequestHandler }

const answerAtOnce: RequestHandler = async (_request, response) => sendJson(response, 200, { answered: true })

async function start({ idleGraceMs, answer = answerAtOnce }: Options = {}) {
  const paths: (string | undefined)[] = []
  const theirEnds: Socket[] = []
  const graphql: RequestHandler = (request, response, requestId) => {
    paths.push(request.url)
    theirEnds.push(request.socket)
    return answer(request, response, requestId)
  }
  const { log } = recordingLogger()
  const others = {
    secretDownload: graphql,
    eventExport: graphql,
    forwardAuth: graphql,
    auditLog: graphql,
    readiness: async () => READY,
  }
  const server = createHttpServer({ graphql, ...others, log, idleGraceMs })
  servers.push(server)
  const port = await server.listen({ host: '127.0.0.1', port: 0 })
  return { server, port, origin: `http://127.0.0.1:${port}`, paths, theirEnds }
}

/** A handler that answers only when it is let go, and says when it has been reached. */
function held() {
  const release = Promise.withResolvers<void>()
  const reached = Promise.withResolvers<void>()
  const answer: RequestHandler = async (_request, response) => {
    reached.resolve()
    await release.promise
    sendJson(response, 200, { held: true })
  }
  return { answer, reached: reached.promise, release: () => release.resolve() }
}

/** One connection that is kept open, over which requests are sent one after another. */
function keptOpen(port: number) {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  agents.push(agent)
  return async (path: string) => {
    const sent = ask({ port, host: '127.0.0.1', path, agent }).end()
    const [response] = (await once(sent, 'response')) as [IncomingMessage]
    return { status: response.statusCode, headers: response.headers, body: await text(response) }
  }
}

async function connected(port: number, allowHalfOpen = false): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen })
  await once(socket, 'connect')
  return socket
}

const requestOf = (path: string) => `GET ${path} HTTP/1.1\r\nHost: k\r\n\r\n`

test('a request in flight is answered, and new connections are refused', async () => {
  const { answer, reached, release } = held()
  const { server, origin } = await start({ answer })
  const inFlight = fetch(`${origin}/graphql`)
  await reached
  const drained = server.drain(LONG_MS)
  await expect(fetch(`${origin}/graphql`)).rejects.toThrow()
  release()
  const response = await inFlight
  expect(response.headers.get('connection')).toBe('close')
  expect(await response.json()).toEqual({ held: true })
  await drained
})

test('an answer that its reader is slow to take arrives whole', async () => {
  let answered: ServerResponse | undefined
  const { server, port, theirEnds } = await start({
    idleGraceMs: 0,
    answer: async (request, response) => {
      if (request.url === '/graphql?idle') return void response.end()
      answered = response
      response.end('x'.repeat(LARGE))
    },
  })
  const idle = await connected(port, true)
  idle.write(requestOf('/graphql?idle'))
  await once(idle, 'data')
  const sent = ask({ port, host: '127.0.0.1', path: '/graphql', agent: false }).end()
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  response.pause()
  expect([answered?.writableEnded, answered?.writableFinished]).toEqual([true, false])
  const drained = server.drain(LONG_MS)
  // This one, which the client does not close. By then whatever else is taken for idle is closed, too.
  await once(theirEnds[0] as Socket, 'close')
  idle.destroy()
  let bytes = 0
  for await (const chunk of response) bytes += chunk.length
  expect([response.complete, bytes]).toEqual([true, LARGE])
  await drained
})

test('a request that comes for a moment yet over a connection that was kept open is answered, and told to be the last', async () => {
  const { server, port } = await start({ idleGraceMs: LONG_MS })
  const send = keptOpen(port)
  expect((await send('/graphql')).headers.connection).toBe('keep-alive')
  const drained = server.drain(LONG_MS)
  const { status, headers, body } = await send('/graphql')
  expect([status, headers.connection, JSON.parse(body)]).toEqual([200, 'close', { answered: true }])
  await drained
})

test('so is one that was half sent by then', async () => {
  const { server, port } = await start({ idleGraceMs: LONG_MS })
  const socket = await connected(port)
  const answer = text(socket)
  // The first request's answer proves that the server has read what was sent together with it.
  socket.write(`${requestOf('/health/live')}GET /graphql HTTP/1.1\r\nHost: k\r\n`)
  await once(socket, 'readable')
  const drained = server.drain(LONG_MS)
  socket.write('\r\n')
  await drained
  expect(await answer).toMatch(/"live":true[\s\S]*HTTP\/1\.1 200 [\s\S]*connection: close[\s\S]*"answered":true/i)
})

test('connections that are only kept open are closed when the moment is over, without an error', async () => {
  const { server, port } = await start({ idleGraceMs: 100 })
  const sockets = await Promise.all([connected(port), connected(port)])
  const [fresh, used] = sockets
  used?.write(requestOf('/graphql'))
  if (used !== undefined) await once(used, 'data')
  const startedAt = performance.now()
  const ends = sockets.map((socket) => text(socket))
  await server.drain(LONG_MS)
  // Neither by a reset, which would reject, nor by the force that comes last.
  await Promise.all(ends)
  expect(performance.now() - startedAt).toBeLessThan(LONG_MS / 2)
  expect(fresh?.bytesRead).toBe(0)
})

test('nothing is carried out that could not be answered any more', async () => {
  const { answer, reached, release } = held()
  const { server, port, paths, theirEnds } = await start({ answer, idleGraceMs: LONG_MS })
  const socket = await connected(port)
  const answers = text(socket)
  socket.write(requestOf('/graphql?first'))
  await reached
  const drained = server.drain(LONG_MS)
  socket.write(requestOf('/graphql?second'))
  const sent = requestOf('/graphql?first').length + requestOf('/graphql?second').length
  await vi.waitFor(() => expect(theirEnds[0]?.bytesRead).toBe(sent), PATIENTLY)
  release()
  await drained
  expect((await answers).match(/HTTP\/1\.1 200/g)).toHaveLength(1)
  expect(paths).toEqual(['/graphql?first'])
})

test('of requests that were sent without waiting all are answered', async () => {
  const { answer, release } = held()
  const { server, port, paths } = await start({ answer, idleGraceMs: LONG_MS })
  const socket = await connected(port)
  const answers = text(socket)
  socket.write(requestOf('/graphql?first') + requestOf('/graphql?second'))
  await vi.waitFor(() => expect(paths).toHaveLength(2), PATIENTLY)
  const drained = server.drain(LONG_MS)
  release()
  await drained
  expect((await answers).match(/HTTP\/1\.1 200/g)).toHaveLength(2)
})

test('what does not end in time is cut off', async () => {
  const { answer, reached, release } = held()
  const { server, origin } = await start({ answer })
  const inFlight = fetch(`${origin}/graphql`).catch((error: unknown) => error)
  await reached
  await server.drain(50)
  expect(await inFlight).toBeInstanceOf(Error)
  release()
})
