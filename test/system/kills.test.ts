// Faults by really killing things: the server and PostgreSQL itself, again and again, under load. A handful of times here;
// `npm run kills` does it 20 and 10 times.
import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { clusterFolder } from '#database/embedded/cluster.ts'
import { readPostmasterFile } from '#database/embedded/running.ts'
import { rootKeyIn, type ServerProcess, startServerProcess } from '../support/server-process.ts'

const FULL = process.env.KILLS === 'full'
const SERVER_KILLS = FULL ? 20 : 3
const POSTGRES_KILLS = FULL ? 10 : 2
const WORKERS = 8
const ACKNOWLEDGED_BEFORE_KILL = 40

let dataFolder: string
let server: ServerProcess
let rootKey: string
let keyspaceId: string

beforeEach(async () => {
  dataFolder = await mkdtemp(join(tmpdir(), 'keyledger-kills-'))
  server = await startServerProcess({ KEYLEDGER_DATA_DIR: dataFolder }, /^ {2}curl /)
  rootKey = rootKeyIn(server.printed)
  const data = await ask('{ accounts { nodes { keyspace(name: "default") { id } } } }')
  keyspaceId = data.accounts.nodes[0].keyspace.id
}, 60_000)
afterEach(async () => {
  await server.end('SIGTERM')
  await rm(dataFolder, { recursive: true, force: true })
}, 60_000)

// biome-ignore lint/suspicious/noExplicitAny: answers of many shapes, each looked at by one test.
async function ask(query: string, variables: object = {}): Promise<any> {
  const response = await fetch(`${server.url}/graphql`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${rootKey}`, 'Content-Type': 'application/json' },
    body: JSON.stringify({ query, variables }),
  })
  const { data, errors } = (await response.json()) as { data: unknown; errors?: unknown }
  if (errors !== undefined) throw new Error(JSON.stringify(errors))
  return data
}

/** One step of a key's life, to be repeated with the same idempotency key until there is an answer. */
type Step = { readonly mutation: string; readonly input: Record<string, unknown> }
type Acknowledged = Step & { readonly keyId: string; readonly eventIds: readonly string[] }

const SELECTION = 'key { id } events { id }'

async function attempt({ mutation, input }: Step): Promise<Acknowledged> {
  const type = mutation[0]?.toUpperCase() + mutation.slice(1)
  const query = `mutation ($input: ${type}Input!) { result: ${mutation}(input: $input) {
    ... on ${type}Success { ${SELECTION} } ... on Error { code message } } }`
  const { result } = await ask(query, { input })
  expect(result, JSON.stringify(result)).not.toHaveProperty('code')
  return { mutation, input, keyId: result.key.id, eventIds: result.events.map((event: { id: string }) => event.id) }
}

function* life(): Generator<Step, void, string> {
  const of = (mutation: string, input: object): Step => ({
    mutation,
    input: { ...input, idempotencyKey: randomUUID() },
  })
  const keyId = yield of('createKey', { keyspaceId, name: randomUUID() })
  yield of('rotateKey', { keyId, overlapSeconds: 60 })
  yield of('disableKey', { keyId })
  yield of('revokeKey', { keyId })
}

/** Sends steps until `isOver`; what got no answer is retried after the restart by whoever calls again with `pending`. */
async function work(
  pending: Map<number, { steps: ReturnType<typeof life>; step: Step }>,
  isOver: () => boolean,
  acknowledge: (done: Acknowledged) => void,
) {
  await Promise.all(
    Array.from({ length: WORKERS }, async (_, worker) => {
      while (!isOver()) {
        let current = pending.get(worker)
        if (current === undefined) {
          const steps = life()
          current = { steps, step: steps.next().value as Step }
          pending.set(worker, current)
        }
        const done = await attempt(current.step).catch((error: unknown) => {
          // No answer: it may have happened or not, which the retry finds out.
          if (error instanceof TypeError || isOver()) return undefined
          throw error
        })
        if (done === undefined) return
        acknowledge(done)
        const next = current.steps.next(done.keyId)
        if (next.done) pending.delete(worker)
        else pending.set(worker, { ...current, step: next.value })
      }
    }),
  )
}

async function underLoad(kills: number, kill: () => Promise<void>): Promise<void> {
  const acked: Acknowledged[] = []
  const pending = new Map()
  for (let round = 0; round < kills; round++) {
    const enough = acked.length + ACKNOWLEDGED_BEFORE_KILL
    const loaded = Promise.withResolvers<void>()
    let killed = false
    const working = work(
      pending,
      () => killed,
      (done) => {
        if (acked.push(done) >= enough) loaded.resolve()
      },
    )
    await Promise.race([loaded.promise, working])
    killed = true
    await kill()
    await working
    server = await startServerProcess({ KEYLEDGER_DATA_DIR: dataFolder })
    await expectWhole(acked)
    await expectCheckClean()
  }
  const target = acked.length + WORKERS
  await work(
    pending,
    () => acked.length >= target,
    (done) => acked.push(done),
  )
  await expectWhole(acked)
}

/** Every acknowledged mutation is there, none twice, none half. */
async function expectWhole(acked: readonly Acknowledged[]): Promise<void> {
  const byKey = Map.groupBy(acked, ({ keyId }) => keyId)
  for (const [keyId, steps] of byKey) {
    const { key } = await ask('query ($keyId: ID!) { key(id: $keyId) { version events { nodes { id type } } } }', {
      keyId,
    })
    const events: { id: string; type: string }[] = key.events.nodes
    const acknowledged = steps.flatMap(({ eventIds }) => eventIds)
    expect(new Set(acknowledged).size).toBe(acknowledged.length)
    // One step may have been done without its answer having arrived, hence the prefix.
    expect(events.map(({ id }) => id).slice(0, acknowledged.length)).toEqual(acknowledged)
    expect(key.version).toBe(events.length)
    const types = ['key.created', 'code.issued', 'key.rotated', 'key.disabled', 'key.revoked']
    expect(events.map(({ type }) => type)).toEqual(types.slice(0, events.length))
    expect(events.length).toBeGreaterThanOrEqual(2)
  }
}

async function expectCheckClean(): Promise<void> {
  const env = { PATH: process.env.PATH, HOME: process.env.HOME, KEYLEDGER_DATA_DIR: dataFolder, LOG_LEVEL: 'silent' }
  await promisify(execFile)('node', ['src/cli/keyledger.ts', 'rebuild', '--check'], { env })
}

describe('under load of mutations', () => {
  test(`kill -9 of the server loses and doubles nothing, ${SERVER_KILLS} times`, async () => {
    await underLoad(SERVER_KILLS, () => server.end('SIGKILL'))
  }, 600_000)

  test(`kill -9 of PostgreSQL itself loses and doubles nothing, ${POSTGRES_KILLS} times`, async () => {
    await underLoad(POSTGRES_KILLS, async () => {
      const exited = once(server.process, 'exit')
      const postmaster = readPostmasterFile(clusterFolder(resolve(dataFolder)))
      expect(postmaster).toBeDefined()
      process.kill(postmaster?.pid ?? 0, 'SIGKILL')
      // The server can't go on without it, and says so by ending.
      await exited
    })
  }, 600_000)
})
