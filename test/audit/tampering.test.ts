// History changed behind the product's back, in every way that the owner of a database has, a place at random each time: found, and
// named. `npm run tampering` tries a thousand; the suite a hundred.
import { spawnSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { exportAudit } from '#audit/export/export.ts'
import { checkpointText } from '#audit/note/checkpoint.ts'
import { signNote } from '#audit/note/signed-note.ts'
import { parseVkey, type Verifier } from '#audit/note/signing-key.ts'
import { readPending } from '#audit/seal/pending.ts'
import { appendLeaves, EMPTY_EDGE, rootOf } from '#audit/tree/edge.ts'
import { leafHash } from '#audit/tree/hash.ts'
import type { Finding } from '#audit/verify/findings.ts'
import { type Known, parseKnown } from '#audit/verify/known.ts'
import { verifyFolder } from '#audit/verify/verify.ts'
import { disableKey } from '#commands/disable-key.ts'
import { eraseUser } from '#commands/erase-user.ts'
import { revokeKey } from '#commands/revoke-key.ts'
import { rotateKey } from '#commands/rotate-key.ts'
import { updateAccount } from '#commands/update-account.ts'
import { updateKey } from '#commands/update-key.ts'
import { send } from '#database/connect.ts'
import { createTestDatabase, type TestDatabase } from '#test/support/database.ts'
import { testSeed } from '#test/support/random.ts'
import { readSealedLog, readSealedLogIn, testSealer, testSigningKeys } from '#test/support/sealing.ts'
import { type TestServices, testServices } from '#test/support/services.ts'
import { backUp, restoring } from '#test/support/tamper.ts'
import * as ways from './support/tampering.ts'

const CASES = process.env.TAMPERING === 'full' ? 1_000 : 100
const UNTOUCHED = process.env.TAMPERING === 'full' ? 100 : 10
/** Exports that are kept until the second verifier is started for them. */
const TOGETHER = 50
const PYTHON = path.join(import.meta.dirname, 'support/verify_many.py')

let database: TestDatabase
let at: TestServices
let client: pg.PoolClient
let folder: string
let verifiers: readonly Verifier[]
let sealed: ways.Sealed
let newest: Known
let pendingIds: readonly string[]

beforeAll(async () => {
  database = await createTestDatabase()
  at = testServices(database.serving)
  folder = await mkdtemp(path.join(tmpdir(), 'keyledger-tampering-'))
  for (let n = 0; n < 3; n++) {
    await live(n)
    await seal()
    if (n === 1) await backUp(database)
  }
  const log = await readSealedLog(database.owner)
  verifiers = log.vkeys.map(parseVkey).filter((verifier) => verifier !== undefined)
  const [known] = parseKnown('kept', log.notes.at(-1) ?? '') ?? []
  if (known === undefined) throw new Error('a note is a checkpoint')
  newest = known
  const { accountId } = await at.createAccount()
  for (let n = 0; n < 4; n++) await at.done(updateAccount, { accountId, name: `pending ${n}` })
  client = await database.owner.pool.connect()
  const { rows } = await client.query(
    `SELECT e.shard, e.shard_position::int, e.event_id, e.actor_id, l.leaf_index::int
       FROM log.event e LEFT JOIN audit.leaf l ON l.shard = e.shard AND l.shard_position = e.shard_position ORDER BY 1, 2`,
  )
  pendingIds = rows.filter(({ leaf_index }) => leaf_index === null).map(({ event_id }) => event_id)
  const events = rows.filter(({ leaf_index }) => leaf_index !== null)
  sealed = { client, random: ways.randomOf(testSeed), events, size: log.size }
})
afterAll(async () => {
  client.release()
  await rm(folder, { recursive: true, force: true })
  await database.drop()
})

/** An account with something of everything. */
async function live(n: number): Promise<void> {
  const { accountId } = await at.createAccount()
  const keyspaceId = await at.createKeyspace(accountId)
  const policyId = await at.createPolicy(accountId, { permissions: ['read'] })
  await at.addUser(accountId, { externalId: `user${n}@example.org`, displayName: `User ${n}` })
  const erased = await at.addUser(accountId, { externalId: `erased${n}@example.org` })
  const keys = []
  for (let k = 0; k < 4; k++) keys.push(await at.createKey(keyspaceId, { name: `key ${k}`, policyIds: [policyId] }))
  const [first, second, third] = keys
  await at.done(rotateKey, { keyId: first?.keyId, slot: 'PRIMARY', overlapSeconds: 0 })
  await at.done(updateKey, { keyId: first?.keyId, name: 'another name' })
  await at.done(disableKey, { keyId: second?.keyId })
  await at.done(revokeKey, { keyId: third?.keyId, reason: 'KEY_COMPROMISE' })
  await at.done(eraseUser, { userId: erased })
}

async function seal(): Promise<void> {
  const sealer = testSealer({ database: database.serving, keyring: at.keyring })
  await sealer.sealNow()
  await sealer.stop()
}

/** In a transaction that is rolled back, with no trigger in force. */
async function within<T>(work: () => Promise<T>, ...statements: readonly string[]): Promise<T> {
  await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ; SET LOCAL session_replication_role = replica')
  try {
    for (const text of statements) await client.query(text)
    return await work()
  } finally {
    await client.query('ROLLBACK')
  }
}

let exports = 0
const hasPython = spawnSync('python3', ['--version']).status === 0
/** Exports that the second verifier has not been asked about yet, with what ours found. */
let unasked: { readonly to: string; readonly name: string; readonly findings: readonly Finding[] }[] = []

/** That the verifier in Python finds the same, but in state, which it does not fold. */
async function expectSameInPython(): Promise<void> {
  const calls = unasked.map(({ to }) => ({ folder: to, keys: verifiers.map(({ vkey }) => vkey), known: [] }))
  const { stdout, stderr } = spawnSync('python3', [PYTHON], { input: JSON.stringify(calls), maxBuffer: 2 ** 28 })
  if (stdout.length === 0) throw new Error(String(stderr))
  const reports = JSON.parse(String(stdout)) as readonly { readonly findings: readonly Finding[] }[]
  for (const [at, { name, findings }] of unasked.entries())
    expect(placesOf(reports[at]?.findings ?? []), name).toEqual(placesOf(findings))
  await Promise.all(unasked.map(({ to }) => rm(to, { recursive: true })))
  unasked = []
}

function placesOf(findings: readonly Finding[]): readonly string[] {
  return findings
    .map(({ kind, what }) => `${kind} ${what}`)
    .filter((place) => !place.startsWith('state '))
    .sort()
}

async function findingsNow(known: readonly Known[] = [], name?: string): Promise<readonly Finding[]> {
  const to = path.join(folder, String(exports++))
  await exportAudit((query) => send(client, query), to)
  const { verification } = verifyFolder(to, { keys: verifiers, known, accepts: new Set(), accepted: [] })
  if (name !== undefined && hasPython) unasked.push({ to, name, findings: verification.findings })
  else await rm(to, { recursive: true })
  expect(verification.verdict === 'sound').toBe(verification.findings.length === 0)
  return verification.findings
}

const WAYS = [
  ways.changeColumn,
  ways.changeColumn,
  ways.changeColumn,
  ways.deleteEvent,
  ways.insertEvent,
  ways.reorderEvents,
  ways.flipTileByte,
  ways.changeCheckpoint,
  ways.changeLogRow,
  ways.changeLeaves,
  ways.changeState,
  ways.changeCounter,
  ways.changePersonal,
]

test(`${CASES} changes of what was sealed are each found and named, by both verifiers (TEST_SEED=${testSeed})`, {
  timeout: 1_800_000,
}, async () => {
  for (let n = 0; n < CASES; n++) {
    const way = WAYS[n % WAYS.length] ?? ways.changeColumn
    const { name, statements, expected } = await way(sealed)
    const findings = await within(() => findingsNow([], name), ...statements)
    const told = `${name}\n${JSON.stringify(findings.slice(0, 10), undefined, 1)}`
    const good = findings.some(({ kind, what }) => expected.kinds.includes(kind) && expected.named(what))
    expect(good, told).toBe(true)
    const others = findings.filter(
      ({ kind, what }) => kind === 'event-changed' && expected.only?.includes(what) === false,
    )
    expect(others, told).toEqual([])
    if (unasked.length === TOGETHER) await expectSameInPython()
  }
  if (unasked.length > 0) await expectSameInPython()
})

test(`${UNTOUCHED} exports of what nobody touched raise nothing`, { timeout: 600_000 }, async () => {
  for (let n = 0; n < UNTOUCHED; n++) expect(await within(() => findingsNow([newest]))).toEqual([])
})

describe('an owner who rewrites all that hangs on a change', () => {
  /** What the tree would be of what stands there now. */
  async function rewriteTree(): Promise<{ readonly size: number; readonly root: Buffer; readonly origin: string }> {
    const log = await readSealedLogIn(client)
    const { edge, tiles } = appendLeaves(EMPTY_EDGE, log.entries.map(leafHash))
    for (const { level, index, hashes } of tiles)
      await client.query('UPDATE audit.tile SET hashes = $3 WHERE log_number = 1 AND level = $1 AND tile_index = $2', [
        level,
        index,
        hashes,
      ])
    const root = rootOf(edge)
    await client.query('UPDATE audit.log SET root = $1', [root])
    return { size: edge.size, root, origin: log.origin }
  }

  const change = () =>
    `UPDATE log.event SET body = convert_to(replace(convert_from(body, 'UTF8'), 'key 1', 'key 9'), 'UTF8'),
            data = replace(data::text, 'key 1', 'key 9')::jsonb WHERE type = 'key.created'`

  test('is found by the root that was signed', async () => {
    const findings = await within(async () => {
      const { root, size } = await rewriteTree()
      await client.query('UPDATE audit.checkpoint SET root = $1 WHERE size = $2', [root, size])
      return findingsNow()
    }, change())
    expect(findings.map(({ kind }) => kind)).toContain('root')
  })

  test('and signs with a key of their own is found by the key', async () => {
    const findings = await within(async () => {
      const checkpoint = await rewriteTree()
      const note = signNote(checkpointText(checkpoint), testSigningKeys('attacker').signers(checkpoint.origin))
      await client.query('UPDATE audit.checkpoint SET root = $1, note = $2 WHERE size = $3', [
        checkpoint.root,
        note,
        checkpoint.size,
      ])
      return findingsNow()
    }, change())
    expect(findings.map(({ kind }) => kind)).toContain('signature')
  })

  test('and has the signing key is found by who holds an earlier checkpoint, and by nobody else', async () => {
    const rewritten = async (known: readonly Known[]) =>
      within(async () => {
        const checkpoint = await rewriteTree()
        await client.query('DELETE FROM audit.checkpoint')
        await client.query('INSERT INTO audit.checkpoint (log_number, size, root, note) VALUES (1, $1, $2, $3)', [
          checkpoint.size,
          checkpoint.root,
          signNote(checkpointText(checkpoint), testSigningKeys('first').signers(checkpoint.origin)),
        ])
        return findingsNow(known)
      }, change())
    expect((await rewritten([newest])).map(({ kind }) => kind)).toContain('history-differs')
    expect((await rewritten([])).filter(({ kind }) => kind !== 'state')).toEqual([])
  })

  test('and sets everything back to an earlier day is found by who holds a later checkpoint', async () => {
    const findings = await within(() => findingsNow([newest]), ...restoring())
    expect(findings).toMatchObject([{ kind: 'history-shorter' }])
    expect(await within(() => findingsNow(), ...restoring())).toEqual([])
  })
})

describe('what is not sealed yet', () => {
  const whyNot = (...statements: string[]) =>
    within(() => readPending({ run: (query) => send(client, query) }, at.keyring, 1), ...statements)

  test('is sealed where nobody touched it', async () => {
    expect(await whyNot()).toMatchObject({ kind: 'events', isAll: true })
  })

  test(`is not, where it was changed in any of ${CASES} ways`, { timeout: 600_000 }, async () => {
    const { random } = sealed
    for (let n = 0; n < CASES; n++) {
      const eventId = random.of(pendingIds)
      const place = { ...(await placeOf(eventId)), event_id: eventId, actor_id: null, leaf_index: 0 }
      const way = random.of([
        ways.changeColumn,
        ways.changeColumn,
        ways.changeColumn,
        ways.deleteEvent,
        ways.reorderEvents,
      ])
      const siblings = await Promise.all(
        pendingIds.map(async (id) => ({ ...place, ...(await placeOf(id)), event_id: id })),
      )
      const tampering = await way({ client, random, events: way === ways.reorderEvents ? siblings : [place], size: 0 })
      // When it was appended is in no body: until it is sealed, nothing says so but this column.
      if (tampering.name.startsWith('occurred_at')) continue
      const pending = await whyNot(...tampering.statements)
      expect(pending, tampering.name).toMatchObject({
        kind: 'refused',
        why: expect.stringMatching(/the event .* is not as it was written|position \d+ of shard \d+ is missing/),
      })
    }
  })

  async function placeOf(eventId: string) {
    const { rows } = await client.query('SELECT shard, shard_position::int FROM log.event WHERE event_id = $1', [
      eventId,
    ])
    return rows[0] as { readonly shard: number; readonly shard_position: number }
  }
})
