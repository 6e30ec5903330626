// What there is on the machine that tests run on: programs that are installed, ports that are free.
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'

/** The program's path, where it is installed. */
export function programNamed(name: string): string | undefined {
  const folders = (process.env.PATH ?? '').split(':').concat('/usr/sbin', '/usr/bin')
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path))
}

/** Of 127.0.0.1, for a program that can't say which it took itself. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
