// The connections of a server, and how they end without that anything is lost that was sent or is on its way. Not by node's own
// means: to those a connection is idle as soon as its answer was given, however much of it the client has yet to take.
import type { Server, ServerResponse } from 'node:http'
import { Server as NetServer, type Socket } from 'node:net'
import { invariant } from '#domain/invariant.ts'

export type Connections = {
  /** Of each request as it comes. False for one that can not be answered any more, and hence must not be carried out. */
  admit(response: ServerResponse): boolean
  /** Accepts no connection any more, and resolves when all have ended: by themselves, or after `timeoutMs` by force. */
  drain(timeoutMs: number): Promise<void>
  isDraining(): boolean
}

/**
 * A client that keeps its connection open may be sending just when the server begins to stop: for so long its request is still
 * answered, and it is told to use the connection no more.
 */
export const IDLE_GRACE_MS = 1_000
/** For a client to close its side; after that a connection that carries nothing is worth nothing to it. */
const LINGER_MS = 1_000

export function connectionsOf(server: Server, idleGraceMs: number): Connections {
  /**
   * With the answers that are under way on each, in the order of requests: from a request on until all of its answer was handed to the
   * system, as what is ended is not sent. Not in one set of all: what thousands enter and leave in a second makes itself a new table
   * all the time, and of the old ones each keeps alive what it held, and the next, until all memory is searched for garbage.
   */
  const open = new Map<Socket, ServerResponse[]>()
  /** That have been given, or told of, their last answer. */
  const last = new WeakSet<Socket>()
  let draining = false
  let isGraceOver = false

  server.on('connection', (socket: Socket) => {
    open.set(socket, [])
    socket.once('close', () => open.delete(socket))
  })

  /** Of requests that were sent without waiting for answers the newest: none after it would be answered. */
  function askToClose(response: ServerResponse): void {
    const { socket } = response.req
    if (last.has(socket)) return
    last.add(socket)
    if (!response.headersSent) response.setHeader('connection', 'close')
    // Its answer had begun when nothing was to end yet.
    else response.once('close', () => last.delete(socket))
  }

  function endIfIdle(socket: Socket): void {
    if (socket.destroyed || open.get(socket)?.length) return
    last.add(socket)
    socket.end()
    const timer = setTimeout(() => socket.destroy(), LINGER_MS)
    socket.once('close', () => clearTimeout(timer))
  }

  return {
    admit(response) {
      const { socket } = response.req
      const underWay = open.get(socket)
      invariant(underWay !== undefined, 'a request comes over a connection')
      underWay.push(response)
      response.on('close', () => {
        const at = underWay.indexOf(response)
        if (at >= 0) underWay.splice(at, 1)
        if (isGraceOver) endIfIdle(socket)
      })
      if (!draining) return true
      const isAnswered = !last.has(socket)
      askToClose(response)
      return isAnswered
    },
    async drain(timeoutMs) {
      draining = true
      for (const underWay of open.values()) for (const response of underWay.toReversed()) askToClose(response)
      const grace = setTimeout(() => {
        isGraceOver = true
        for (const socket of open.keys()) endIfIdle(socket)
      }, idleGraceMs)
      const deadline = setTimeout(() => server.closeAllConnections(), timeoutMs)
      // That of HTTP would end at once what it takes for idle.
      await new Promise<void>((resolve) => NetServer.prototype.close.call(server, () => resolve()))
      clearTimeout(grace)
      clearTimeout(deadline)
      // For what else belongs to it.
      server.close(() => undefined)
    },
    isDraining: () => draining,
  }
}
