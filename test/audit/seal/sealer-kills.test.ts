// A sealer that is killed, wherever it was: the next one goes on, and nothing was ever signed twice in two ways.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { type AnchorRecord, readRecord } from '#audit/anchor/anchor.ts'
import { fileAnchor } from '#audit/anchor/file-anchor.ts'
import type { SealStep } from '#audit/seal/seal-batch.ts'
import { appendLeaves, EMPTY_EDGE, rootOf } from '#audit/tree/edge.ts'
import { leafHash } from '#audit/tree/hash.ts'
import { updateAccount } from '#commands/update-account.ts'
import { createTestDatabase, type TestDatabase } from '#test/support/database.ts'
import { readSealedLog, testSealer } from '#test/support/sealing.ts'
import { type TestServices, testServices } from '#test/support/services.ts'

const PROGRAM = path.join(import.meta.dirname, '../../support/sealer-process.ts')
const KILLS = 8

let database: TestDatabase
let at: TestServices
let accountId: string
let folder: string
let anchorFile: string
const running = new Set<ChildProcess>()

beforeAll(async () => {
  database = await createTestDatabase()
  at = testServices(database.serving)
  accountId = (await at.createAccount()).accountId
  folder = await mkdtemp(path.join(tmpdir(), 'keyledger-sealer-'))
  anchorFile = path.join(folder, 'checkpoints')
})
afterEach(async () => {
  await Promise.all([...running].map(kill))
})
afterAll(async () => {
  await rm(folder, { recursive: true })
  await database.drop()
})

function startProcess(stopAt?: SealStep): ChildProcess {
  const args = [PROGRAM, database.servingConnection.connectionString, anchorFile, ...(stopAt ? [stopAt] : [])]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  running.add(child)
  return child
}

async function kill(child: ChildProcess): Promise<void> {
  running.delete(child)
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill('SIGKILL')
  await exited
}

async function reached(child: ChildProcess, step: SealStep): Promise<void> {
  for await (const line of createInterface({ input: child.stdout as NodeJS.ReadableStream })) if (line === step) return
  throw new Error(`the sealer never reached ${step}`)
}

async function rename(times: number): Promise<void> {
  for (let i = 0; i < times; i++) await at.done(updateAccount, { accountId, name: `name ${Math.random()}` })
}

/** Instead of waiting for the lease of one that was killed. */
async function expireLease(): Promise<void> {
  await database.owner.pool.query(`UPDATE audit.log SET lease_until = '-infinity'`)
}

async function anchored(): Promise<readonly AnchorRecord[]> {
  const text = await readFile(anchorFile, 'utf8').catch(() => '')
  return text.split('\n').flatMap((line) => readRecord(line) ?? [])
}

/** Every checkpoint that ever left a sealer is of the one tree that all events are in. */
async function expectOneHistory(): Promise<void> {
  await expireLease()
  const sealer = testSealer({ database: database.serving, keyring: at.keyring }, { anchors: [fileAnchor(anchorFile)] })
  await sealer.sealNow()
  await sealer.stop()
  const log = await readSealedLog(database.owner)
  const { rows } = await database.owner.pool.query('SELECT count(*)::int AS count FROM log.event')
  expect(log).toMatchObject({ refusal: null, size: rows[0].count + 1 })
  const hashes = log.entries.map(leafHash)
  const rootAt = (size: number) => rootOf(appendLeaves(EMPTY_EDGE, hashes.slice(0, size)).edge).toString('base64')
  const { rows: stored } = await database.owner.pool.query(
    `SELECT size::int, encode(root, 'base64') AS root FROM audit.checkpoint`,
  )
  for (const { size, root } of [...stored, ...(await anchored())]) expect(root).toBe(rootAt(size))
}

test.each(['claimed', 'checked', 'fenced', 'read', 'signed', 'committed'] as const)(
  'killed after it has %s, it leaves a log that the next one goes on with',
  async (step) => {
    await rename(3)
    const child = startProcess(step)
    await reached(child, step)
    await kill(child)
    await rename(2)
    await expectOneHistory()
  },
)

test('killed again and again while another seals too and events are appended, none is lost, doubled or signed in two ways', {
  timeout: 180_000,
}, async () => {
  let writing = true
  const writer = (async () => {
    while (writing) await rename(1)
  })()
  const steps = ['claimed', 'checked', 'fenced', 'read', 'signed', 'committed'] as const
  const other = startProcess()
  for (let i = 0; i < KILLS; i++) {
    const child = startProcess()
    await expireLease()
    // It need not get as far, where the other has the lease.
    await Promise.race([reached(child, steps[i % steps.length] ?? 'claimed'), reached(other, 'committed')])
    await kill(child)
  }
  await kill(other)
  writing = false
  await writer
  await expectOneHistory()
})
