// The README is run as it is printed: what a newcomer pastes is what is tested.
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CONFIG_VARIABLES } from '#config.ts'

const PROJECT = join(import.meta.dirname, '../..')

let readme: string
let dataFolder: string
let server: ChildProcess
let url: string
let rootKey: string

beforeAll(async () => {
  readme = await readFile(join(PROJECT, 'README.md'), 'utf8')
  dataFolder = await mkdtemp(join(tmpdir(), 'keyledger-readme-'))
  ;({ server, url, printed: rootKey } = await start(/^ {2}(root_\w+)$/))
}, 60_000)
afterAll(async () => {
  server.kill('SIGTERM')
  await once(server, 'exit')
  await rm(dataFolder, { recursive: true, force: true })
}, 30_000)

/** Starts the server as `npm start` does, on any free port, and waits for what it prints. */
async function start(awaited: RegExp): Promise<{ server: ChildProcess; url: string; printed: string }> {
  const child = spawn('node', ['src/cli/keyledger.ts', 'start'], {
    cwd: PROJECT,
    env: {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      PORT: '0',
      KEYLEDGER_DATA_DIR: dataFolder,
      LOG_LEVEL: 'warn',
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let address: string | undefined
  for await (const line of createInterface({ input: child.stdout as NodeJS.ReadableStream })) {
    address ??= /^Keyledger is ready: (http:\/\/\S+)\/graphql/.exec(line)?.[1]
    const printed = awaited.exec(line)?.[1]
    if (address !== undefined && printed !== undefined) {
      child.stdout?.resume()
      return { server: child, url: address, printed }
    }
  }
  throw new Error('the server ended before it was ready')
}

/** The one block of sh under the heading that holds what is looked for. */
function block(holding: string): string {
  const found = [...readme.matchAll(/```sh\n([\s\S]*?)```/g)].map((match) => match[1] ?? '')
  const [text, ...others] = found.filter((text) => text.includes(holding))
  if (text === undefined || others.length > 0) throw new Error(`one block of the README holds ${holding}`)
  return text
}

async function shell(script: string): Promise<string[]> {
  const env = { PATH: process.env.PATH, KEYLEDGER_URL: url, ROOT_KEY: rootKey }
  const { stdout } = await promisify(execFile)('/bin/sh', ['-eu', '-c', script], { env })
  return stdout.split('\n').filter((line) => line !== '')
}

const promised = (script: string) => [...script.matchAll(/^#> (.*)$/gm)].map((match) => match[1])

describe('the README', () => {
  test('tells the truth about the life of a key, command by command', async () => {
    const script = block('createKey')
    expect(promised(script).length).toBeGreaterThanOrEqual(6)
    expect(await shell(script)).toEqual(promised(script))
  })

  test('finds everything as it was after the server was killed', async () => {
    const events = `${block('createKey').split('\n\n')[0]}
      ask '{ accounts { nodes { events(first: 100) { nodes { id position type data } } keys { nodes { id status version } } } } }'`
    const before = await shell(events)
    server.kill('SIGKILL')
    await once(server, 'exit')
    ;({ server, url } = await start(/^(Keyledger is ready)/))
    expect(before[0]).toContain('key.revoked')
    expect(await shell(events)).toEqual(before)
  }, 60_000)

  test('lists every variable of the configuration', () => {
    const listed = [...readme.matchAll(/^\| `([A-Z_]+)` \|/gm)].map((match) => match[1])
    expect(listed).toEqual(CONFIG_VARIABLES.map(({ name }) => name))
  })
})
