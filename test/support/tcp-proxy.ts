// Stands between a client and PostgreSQL, and can fail as networks do: connections that stay open and carry nothing any more.
import { once } from 'node:events'
import net, { type AddressInfo } from 'node:net'
import pg from 'pg'

export type TcpProxy = {
  /** What `connection` leads to, through the proxy. */
  readonly connection: pg.ConnectionConfig
  /** From now on nothing is forwarded, nor any connection closed; new ones are accepted and hang, too. */
  blackHole(): void
  /** New connections are forwarded again; those that were cut off stay so. */
  heal(): void
  /** Ends all connections at once. */
  cut(): void
  close(): Promise<void>
}

export async function startTcpProxy(connection: pg.ConnectionConfig): Promise<TcpProxy> {
  const { host, port, user, password, database } = new pg.Client(connection)
  const target = host.startsWith('/') ? { path: `${host}/.s.PGSQL.${port}` } : { host, port }
  const sockets = new Set<net.Socket>()
  const pipes = new Set<readonly [net.Socket, net.Socket]>()
  let holed = false
  const server = net.createServer((client) => {
    keep(client)
    if (holed) return
    const upstream = net.connect(target as net.TcpNetConnectOpts)
    keep(upstream)
    pipes.add([client, upstream])
    client.pipe(upstream)
    upstream.pipe(client)
  })

  function keep(socket: net.Socket): void {
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.on('close', () => sockets.delete(socket))
  }

  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    connection: {
      host: '127.0.0.1',
      port: (server.address() as AddressInfo).port,
      user,
      password: password ?? '',
      database,
    },
    blackHole() {
      holed = true
      for (const [client, upstream] of pipes) {
        client.unpipe(upstream)
        upstream.unpipe(client)
        client.resume()
        upstream.resume()
      }
    },
    heal() {
      holed = false
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
