// The README is run as it is printed: what a newcomer pastes is what is tested.
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CONFIG_VARIABLES } from '#config-variables.ts'
import { rootKeyIn, type ServerProcess, startServerProcess } from '../support/server-process.ts'
import { blocksOf, replay, startShell, stepsOf } from '../support/transcript.ts'

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

/** The one block that holds what is looked for. */
function block(holding: string): string {
  const [text, ...others] = blocksOf(readme).filter((text) => text.includes(holding))
  if (text === undefined || others.length > 0) throw new Error(`one block of the README holds ${holding}`)
  return text
}

const newShell = () => startShell({ SERVER_URL: server.url, ROOT_KEY: rootKey })

describe('the README', () => {
  test('tells the truth about the life of a key, command by command', async () => {
    const steps = stepsOf(block('createKey'))
    expect(steps.filter(({ answers }) => answers.length > 0).length).toBeGreaterThanOrEqual(6)
    const shell = newShell()
    await replay(shell, steps, new Map())
    await shell.close()
  })

  test('finds everything as it was after the server was killed', async () => {
    const [ask = ''] = block('createKey').split('\n\n')
    const history = async () => {
      const shell = newShell()
      const answer = await shell.run(`${ask}
        ask '{ accounts { nodes { events(first: 100) { nodes { id position type data } } keys { nodes { id status version } } } } }'`)
      await shell.close()
      return answer
    }
    const before = await history()
    await server.end('SIGKILL')
    server = await startServerProcess({ KEYLEDGER_DATA_DIR: dataFolder })
    expect(before[0]).toContain('key.revoked')
    expect(await history()).toEqual(before)
  }, 60_000)

  test('lists every variable of the configuration', () => {
    const listed = [...readme.matchAll(/^\| `([A-Z_]+)` \|/gm)].map((match) => match[1])
    expect(listed).toEqual(CONFIG_VARIABLES.map(({ name }) => name))
  })
})
