// A database with a log that a test seals, and clears before each test.
import { afterAll, beforeAll, beforeEach, expect } from 'vitest'
import { parseCheckpoint } from '#audit/note/checkpoint.ts'
import { openNote } from '#audit/note/signed-note.ts'
import { parseVkey } from '#audit/note/signing-key.ts'
import { appendLeaves, EMPTY_EDGE, rootOf } from '#audit/tree/edge.ts'
import { leafHash } from '#audit/tree/hash.ts'
import { updateAccount } from '#commands/update-account.ts'
import { createTestDatabase, type TestDatabase } from '#test/support/database.ts'
import { type SealedLog, type TestSealer, testSealer } from '#test/support/sealing.ts'
import { type TestServices, testServices } from '#test/support/services.ts'
import { clearLog } from '#test/support/tamper.ts'

let database: TestDatabase
let at: TestServices
let sealers: TestSealer[] = []

/** Call it once in a file. */
export function useSealers(): void {
  beforeAll(async () => {
    database = await createTestDatabase()
    at = testServices(database.serving)
  })
  beforeEach(async () => {
    await stopSealers()
    await clearLog(database)
  })
  afterAll(async () => {
    await stopSealers()
    await database.drop()
  })
}

async function stopSealers(): Promise<void> {
  await Promise.all(sealers.map((sealer) => sealer.stop()))
  sealers = []
}

export function bed(): { readonly database: TestDatabase; readonly at: TestServices } {
  return { database, at }
}

export function start(options: Parameters<typeof testSealer>[1] = {}): TestSealer {
  const sealer = testSealer({ database: database.serving, keyring: at.keyring }, options)
  sealers.push(sealer)
  return sealer
}

export async function renameTimes(accountId: string, times: number): Promise<void> {
  for (let i = 0; i < times; i++) await at.done(updateAccount, { accountId, name: `${accountId} ${Math.random()}` })
}

export async function eventCount(): Promise<number> {
  const { rows } = await database.owner.pool.query('SELECT count(*)::int AS count FROM log.event')
  return rows[0].count
}

export function expectSound({ entries, size, root, notes, origin, vkeys }: SealedLog): void {
  expect(entries).toHaveLength(size)
  expect(rootOf(appendLeaves(EMPTY_EDGE, entries.map(leafHash)).edge)).toEqual(root)
  const verifiers = vkeys.map(parseVkey).filter((verifier) => verifier !== undefined)
  const opened = openNote(notes.at(-1) ?? '', verifiers)
  expect(opened).toMatchObject({ signedBy: { length: verifiers.length } })
  expect('text' in opened && parseCheckpoint(opened.text)).toEqual({ origin, size, root })
}
