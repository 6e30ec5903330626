// Stands between a client and PostgreSQL, and can fail as networks do: connections that stay open and carry nothing any more, or
// bring late what was asked.
import { once } from 'node:events'
import net, { type AddressInfo } from 'node:net'
import { Transform } from 'node:stream'
import pg from 'pg'

export type TcpProxy = {
  /** What `connection` leads to, through the proxy. */
  readonly connection: pg.ConnectionConfig
  /** The same as a URL. */
  readonly url: string
  /** From now on nothing is forwarded, nor any connection closed; new ones are accepted and hang, too. */
  blackHole(): void
  /** New connections are forwarded again; those that were cut off stay so. */
  heal(): void
  /** Holds back all further answers on connections over which such a text was sent, now or before. One at a time. */
  hold(asked: RegExp): Hold
  /** Answers come so much later from now on. */
  slow(byMs: number): void
  /** Where new connections lead from now on. */
  moveTo(connection: pg.ConnectionConfig): void
  /** Ends all connections at once. */
  cut(): void
  close(): Promise<void>
}

export type Hold = {
  /** Resolves when an answer is held. */
  readonly holds: Promise<void>
  /** All that was held goes on, in order. */
  release(): void
}

type Pipe = { readonly client: net.Socket; readonly upstream: net.Socket; readonly gate: Transform; asked: string }

/** Of what a connection has asked, so much is remembered: statements are sent as text once, near its beginning. */
const ASKED_MAX = 100_000

export async function startTcpProxy(connection: pg.ConnectionConfig): Promise<TcpProxy> {
  const { user, password, database } = new pg.Client(connection)
  let target = targetOf(connection)
  const sockets = new Set<net.Socket>()
  const pipes = new Set<Pipe>()
  let holed = false
  let laterByMs = 0
  let holding: { readonly asked: RegExp; hold(forward: () => void): void } | undefined
  const server = net.createServer((client) => {
    keep(client)
    if (holed) return
    const upstream = net.connect(target)
    keep(upstream)
    const gate = new Transform({
      transform(chunk, _encoding, forward) {
        if (holding?.asked.test(pipe.asked)) holding.hold(() => forward(null, chunk))
        else if (laterByMs > 0) setTimeout(() => forward(null, chunk), laterByMs)
        else forward(null, chunk)
      },
    })
    const pipe: Pipe = { client, upstream, gate, asked: '' }
    pipes.add(pipe)
    client.on('data', (chunk) => {
      if (pipe.asked.length < ASKED_MAX) pipe.asked += chunk.toString('latin1')
    })
    // Broken off on one side is broken off on the other, unless nothing gets through any more.
    client.on('close', () => pipes.delete(pipe) && upstream.destroy())
    upstream.on('close', () => pipes.delete(pipe) && client.destroySoon())
    client.pipe(upstream)
    upstream.pipe(gate).pipe(client)
  })

  function keep(socket: net.Socket): void {
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.on('close', () => sockets.delete(socket))
  }

  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const at = {
    host: '127.0.0.1',
    port: (server.address() as AddressInfo).port,
    user,
    password: password ?? '',
    database,
  }
  return {
    connection: at,
    url: `postgres://${user}:${at.password}@${at.host}:${at.port}/${database}`,
    blackHole() {
      holed = true
      for (const { client, upstream, gate } of pipes) {
        client.unpipe(upstream)
        upstream.unpipe(gate)
        gate.unpipe(client)
        client.resume()
        upstream.resume()
      }
      pipes.clear()
    },
    heal() {
      holed = false
    },
    hold(asked) {
      const { promise: holds, resolve } = Promise.withResolvers<void>()
      const held: (() => void)[] = []
      const mine = {
        asked,
        hold(forward: () => void) {
          held.push(forward)
          resolve()
        },
      }
      holding = mine
      return {
        holds,
        release() {
          if (holding === mine) holding = undefined
          for (const forward of held) forward()
        },
      }
    },
    slow(byMs) {
      laterByMs = byMs
    },
    moveTo(next) {
      target = targetOf(next)
    },
    cut() {
      for (const socket of sockets) socket.destroy()
    },
    async close() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

function targetOf(connection: pg.ConnectionConfig): net.NetConnectOpts {
  const { host, port } = new pg.Client(connection)
  return host.startsWith('/') ? { path: `${host}/.s.PGSQL.${port}` } : { host, port }
}
