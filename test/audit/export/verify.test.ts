// What the exporter writes of a real database, as both verifiers read it: sound after every command there is, and tampering named.
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { parseVkey, type Verifier } from '#audit/note/signing-key.ts'
import { verifyFolder } from '#audit/verify/verify.ts'
import { foundIn } from '#test/audit/support/verifying.ts'
import { exportAfter } from '#test/support/audit-export.ts'
import { createTestDatabase, type TestDatabase } from '#test/support/database.ts'
import { readSealedLog, type SealedLog, testSealer } from '#test/support/sealing.ts'
import { type TestServices, testServices } from '#test/support/services.ts'
import { cases } from '../../commands/cases.ts'

let database: TestDatabase
let at: TestServices
let log: SealedLog
let trusted: Verifier
let pending: number

beforeAll(async () => {
  database = await createTestDatabase()
  at = testServices(database.serving)
  const sealer = testSealer({ database: database.serving, keyring: at.keyring })
  await runEveryCommand()
  await sealer.sealNow()
  await runEveryCommand()
  await sealer.sealNow()
  await sealer.stop()
  log = await readSealedLog(database.owner)
  trusted = parseVkey(log.vkeys[0]!)!
  await runEveryCommand()
  const { rows } = await database.owner.pool.query<{ count: number }>(
    `SELECT count(*)::float8 AS count FROM log.event e LEFT JOIN audit.cursor c ON c.shard = e.shard
      WHERE e.shard_position > coalesce(c.shard_position, 0)`,
  )
  pending = rows[0]!.count
})
afterAll(() => database.drop())

async function runEveryCommand(): Promise<void> {
  const account = await at.createAccount()
  for (const { command, prepare } of cases) await at.done(command, await prepare(at, account))
}

async function verified(...tampering: readonly string[]) {
  const folder = await exportAfter(database.owner, ...tampering)
  onTestFinished(() => folder.remove())
  return verifyFolder(folder.root, { keys: [trusted], known: [], accepts: new Set(), accepted: [] }).verification
}

describe('an export of a real database', () => {
  test('is sound after every command', async () => {
    const verification = await verified()
    expect(foundIn(verification)).toEqual([])
    expect(verification).toMatchObject({ verdict: 'sound', size: log.size, pending, events: log.size - 1 + pending })
    expect(pending).toBeGreaterThan(20)
    expect(verification.erased).not.toEqual([])
  })

  test.each([
    ['log.event', "UPDATE log.event SET type = 'key.disabled' WHERE type = 'key.revoked'", 'event-changed'],
    ['a body', "UPDATE log.event SET body = set_byte(body, 30, 65) WHERE type = 'key.revoked'", 'event-changed'],
    [
      'a time',
      "UPDATE log.event SET occurred_at = occurred_at + interval '1 microsecond' WHERE type = 'key.revoked'",
      'entry',
    ],
    ['events that are gone', "DELETE FROM log.event WHERE type = 'key.revoked'", 'event-missing'],
    ['leaves that are gone', 'DELETE FROM audit.leaf WHERE leaf_index = 5', 'entry'],
    [
      'a tile',
      'UPDATE audit.tile SET hashes = set_byte(hashes, 40, 1 + get_byte(hashes, 40) % 255) WHERE level = 0',
      'tile',
    ],
    ['the root', "UPDATE audit.log SET root = sha256('')", 'checkpoint'],
    ['a checkpoint', "UPDATE audit.checkpoint SET note = replace(note, 'example', 'exbmple')", 'signature'],
    ['state.key', 'UPDATE state.key SET enabled = NOT enabled', 'state'],
    ['state.code', "UPDATE state.code SET digest = sha256('')", 'state'],
    ['log.stream', 'UPDATE log.stream SET version = version + 1', 'counter'],
    ['log.account', 'UPDATE log.account SET position = position + 1', 'counter'],
    ['log.feed_shard', "UPDATE log.feed_shard SET last_event_id = '' WHERE head > 0", 'counter'],
    ['a ciphertext', "UPDATE vault.personal SET ciphertext = ''", 'personal'],
    ["somebody's key", 'DELETE FROM vault.user_key', 'personal'],
  ])('names %s that somebody changed', async (_, statement, kind) => {
    const verification = await verified(statement)
    expect(verification.verdict).toBe('tampered')
    expect(verification.counts).toHaveProperty(kind)
  })
})
