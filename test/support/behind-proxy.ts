// A service behind a real proxy that is configured as docs/forward-auth.md prints: Keyledger, a service that writes down what
// reaches it, the printed configuration, and a client that sends exactly what it is told to.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer, request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { startTestApp, type TestApp } from './app.ts'

export const FORWARD_AUTH_PAGE = join(import.meta.dirname, '../../docs/forward-auth.md')

type Reached = { method: string | undefined; url: string | undefined; headers: IncomingHttpHeaders; body: string }
export type Ask = {
  readonly path?: string
  readonly method?: string
  readonly headers?: readonly (readonly [string, string])[]
  readonly body?: string
}
/** Where the proxy listens. */
type Entrance = { readonly socketPath: string } | { readonly host: string; readonly port: number }

/** What the service breaks off, so that the proxy has an error to tell of. */
export const BREAKING = '/breaks'

export type Site = {
  readonly app: TestApp
  readonly accountId: string
  readonly keyspaceId: string
  /** It holds `*`, is logged, and has a name that is not ASCII. */
  readonly key: { readonly keyId: string; readonly secret: string }
  /** The proxy's own, gone with the site. */
  readonly folder: string
  /** The printed block, with each of `replacements` in the place of what is to be replaced, which it holds once. */
  configuration(language: string, replacements: Readonly<Record<string, string>>): Promise<string>
  /** What the printed blocks hold of this site: Keyledger, the service, the keyspace, the credential. */
  readonly usual: Readonly<Record<string, string>>
  /** Starts it as a process that ends with the site. */
  run(program: string, args: readonly string[], env?: Readonly<Record<string, string>>): ChildProcess
  /** `reached`: what the service saw of it, if it did. */
  ask(entrance: Entrance, asked: Ask): Promise<{ status: number; headers: IncomingHttpHeaders; reached?: Reached }>
  close(): Promise<void>
}

export async function openSite(presentations: readonly object[]): Promise<Site> {
  const app = await startTestApp()
  const { accountId } = await app.createAccount()
  const keyspaceId = await app.createKeyspace(accountId, { presentations })
  const logging = { request: true, response: false }
  const key = await app.createKey(keyspaceId, { name: 'Zoë’s shop', permissions: ['*'], logging })
  const credential = await app.createCredential(accountId, ['keys.verify'])
  const seen: Reached[] = []
  const service = createServer(async (request, response) => {
    const { method, url, headers } = request
    seen.push({ method, url, headers, body: await text(request) })
    if (url === BREAKING) request.socket.destroy()
    else response.end('served')
  })
  service.listen(0, '127.0.0.1')
  await once(service, 'listening')
  const folder = await mkdtemp(join(tmpdir(), 'keyledger-proxy-'))
  const processes: ChildProcess[] = []

  return {
    ...{ app, accountId, keyspaceId, key, folder },
    usual: {
      '127.0.0.1:4000': new URL(app.origin).host,
      '127.0.0.1:8080': `127.0.0.1:${(service.address() as AddressInfo).port}`,
      'keyspace=ks_your_keyspace': `keyspace=${keyspaceId}`,
      'Bearer keyledger_your_credential': `Bearer ${credential}`,
    },
    configuration: printed,
    run(program, args, env = {}) {
      const started = spawn(program, args, { stdio: 'ignore', env: { PATH: process.env.PATH, ...env } })
      processes.push(started)
      return started
    },
    async ask(entrance, asked) {
      seen.length = 0
      const answer = await send(entrance, asked)
      return seen[0] === undefined ? answer : { ...answer, reached: seen[0] }
    },
    async close() {
      for (const started of processes.filter(({ exitCode }) => exitCode === null)) {
        const ended = once(started, 'exit')
        started.kill('SIGTERM')
        await ended
      }
      service.closeAllConnections()
      service.close()
      await app.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

async function printed(language: string, replacements: Readonly<Record<string, string>>): Promise<string> {
  const block = new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``).exec(
    await readFile(FORWARD_AUTH_PAGE, 'utf8'),
  )?.[1]
  if (block === undefined) throw new Error(`the documentation has a block of ${language}`)
  return Object.entries(replacements).reduce((replaced, [from, to]) => {
    if (replaced.split(from).length !== 2) throw new Error(`the documentation holds ${from} once`)
    return replaced.replace(from, to)
  }, block)
}

async function send(entrance: Entrance, { path = '/', method = 'GET', headers = [], body }: Ask) {
  const length = body === undefined ? [] : [['Content-Length', String(Buffer.byteLength(body))] as const]
  const raw = [['Host', 'service.test'] as const, ...length, ...headers].flat()
  const request = httpRequest({ ...entrance, path, method, headers: raw as never })
  const answered = new Promise<{ status: number; headers: IncomingHttpHeaders }>((resolve, reject) => {
    request.on('error', reject)
    request.on('response', async (response) => {
      await text(response)
      resolve({ status: response.statusCode ?? 0, headers: response.headers })
    })
  })
  request.end(body)
  return answered
}

/** What a client could send to speak for the proxy, or to mean another request to the service than was judged. */
export const FORGED: readonly (readonly [string, string])[] = [
  ['X-Key-Id', 'forged'],
  ['X-Key-Name', 'forged'],
  ['X-Key-Owner', 'forged'],
  ['X-Key-Acts-As', 'forged'],
  ['X-Key-Permissions', 'forged'],
  ['x_key_owner', 'forged'],
  ['X-Keyledger-Authorization', 'Bearer forged'],
  ['X-Original-Method', 'forged'],
  ['X-Original-URI', '/forged'],
  ['X-Forwarded-Method', 'forged'],
  ['X-Forwarded-Uri', '/forged'],
  ['X-Forwarded-User', 'forged'],
  ['X-Forwarded-For', 'forged'],
  ['X-Keyledger-Account', 'forged'],
  ['X-Original-URL', '/forged'],
  ['X-Rewrite-URL', '/forged'],
  ['X-Key_Owner', 'forged'],
  ['X-HTTP-Method-Override', 'DELETE'],
  ['X-HTTP-Method', 'forged'],
  ['X-Method-Override', 'forged'],
]
