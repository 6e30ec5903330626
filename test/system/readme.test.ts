// The README is run as it is printed: what a newcomer pastes is what is tested.
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CONFIG_VARIABLES } from '#config.ts'
import { rootKeyIn, type ServerProcess, startServerProcess } from '../support/server-process.ts'

const PROJECT = join(import.meta.dirname, '../..')

let readme: string
let dataFolder: string
let server: ServerProcess
let rootKey: string

beforeAll(async () => {
  readme = await readFile(join(PROJECT, 'README.md'), 'utf8')
  dataFolder = await mkdtemp(join(tmpdir(), 'keyledger-readme-'))
  server = await startServerProcess({ KEYLEDGER_DATA_DIR: dataFolder }, /^ {2}curl /)
  rootKey = rootKeyIn(server.printed)
}, 60_000)
afterAll(async () => {
  await server.end('SIGTERM')
  await rm(dataFolder, { recursive: true, force: true })
}, 30_000)

/** The one block of sh under the heading that holds what is looked for. */
function block(holding: string): string {
  const found = [...readme.matchAll(/```sh\n([\s\S]*?)```/g)].map((match) => match[1] ?? '')
  const [text, ...others] = found.filter((text) => text.includes(holding))
  if (text === undefined || others.length > 0) throw new Error(`one block of the README holds ${holding}`)
  return text
}

async function shell(script: string): Promise<string[]> {
  const env = { PATH: process.env.PATH, KEYLEDGER_URL: server.url, ROOT_KEY: rootKey }
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
    await server.end('SIGKILL')
    server = await startServerProcess({ KEYLEDGER_DATA_DIR: dataFolder })
    expect(before[0]).toContain('key.revoked')
    expect(await shell(events)).toEqual(before)
  }, 60_000)

  test('lists every variable of the configuration', () => {
    const listed = [...readme.matchAll(/^\| `([A-Z_]+)` \|/gm)].map((match) => match[1])
    expect(listed).toEqual(CONFIG_VARIABLES.map(({ name }) => name))
  })
})
