// One embedded installation, made by a real server over the API, and moved again and again: first while that server runs, then
// after it was stopped, at last with a log that somebody has changed.
import { readFileSync } from 'node:fs'
import path from 'node:path'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, inject, onTestFinished, test } from 'vitest'
import { findRunningServer } from '#database/embedded/running.ts'
import { type EmbeddedServer, startEmbeddedServer } from '#database/embedded/server.ts'
import { checkState } from '#state/check.ts'
import { clientOf } from '#test/support/app.ts'
import { createTestDatabase, type TestDatabase } from '#test/support/database.ts'
import { type Ended, keyledger, temporaryFolder, type Variables } from '#test/support/process.ts'
import { onServer, urlOf } from '#test/support/server.ts'
import { rootKeyIn, type ServerProcess, startServerProcess } from '#test/support/server-process.ts'

const PASSWORD = 'only-in-the-url'
const EMPTYING = /^ {2}(DROP SCHEMA .*)$/m

let place: Awaited<ReturnType<typeof temporaryFolder>>
let server: ServerProcess
let rootKey: string
let keyspaceId: string
let secrets: string

beforeAll(async () => {
  place = await temporaryFolder()
  server = await startServerProcess({ KEYLEDGER_DATA_DIR: place.dataFolder }, /^ {2}curl /)
  rootKey = rootKeyIn(server.printed)
  secrets = readFileSync(path.join(place.dataFolder, 'secrets'), 'utf8').trim()
  const { accounts } = await ask(server.url, '{ accounts { nodes { keyspace(name: "default") { id } } } }')
  keyspaceId = accounts.nodes[0].keyspace.id
})
afterAll(async () => {
  await server.end('SIGTERM')
  await place.remove()
})

// biome-ignore lint/suspicious/noExplicitAny: answers of many shapes, each looked at by one test.
function ask(origin: string, query: string, variables: object = {}): Promise<any> {
  return clientOf(origin, rootKey).ask(query, variables)
}

// biome-ignore lint/suspicious/noExplicitAny: as above.
async function mutate(origin: string, name: string, input: object, selection = 'events { id }'): Promise<any> {
  const type = `${name.charAt(0).toUpperCase()}${name.slice(1)}`
  const query = `mutation ($input: ${type}Input!) { result: ${name}(input: $input) {
    ... on ${type}Success { ${selection} } ... on Error { code message } } }`
  const { result } = await ask(origin, query, { input })
  if ('code' in result) throw new Error(`${name} was refused: ${result.code}`)
  return result
}

const ISSUED = 'key { id } issued { secret accessCode { id } } events { id position }'

/** `keyledger move --to <url>` to its end. Whatever comes of it, it tells no secret. */
async function move(url: string, variables: Variables = {}): Promise<Ended> {
  const ended = await startMove(url, variables).ended
  for (const secret of [PASSWORD, secrets.split(':')[1] ?? '', rootKey])
    expect(ended.stdout + ended.stderr).not.toContain(secret)
  return ended
}

function startMove(url: string, variables: Variables = {}) {
  const to = new URL(url)
  to.password ||= PASSWORD
  return keyledger(['move', '--to', to.href], { KEYLEDGER_DATA_DIR: place.dataFolder, ...variables })
}

async function emptyTarget(): Promise<TestDatabase & { readonly url: string }> {
  const database = await createTestDatabase()
  onTestFinished(() => database.drop())
  return { ...database, url: database.connection.connectionString }
}

/** A database that nothing of Keyledger's was ever in. */
async function bareTarget(): Promise<string> {
  const { url, prefix } = inject('testServer')
  const name = `${prefix}_bare_${Math.random().toString(36).slice(2)}`
  await onServer(url, `CREATE DATABASE ${name}`)
  onTestFinished(() => onServer(url, `DROP DATABASE ${name} WITH (FORCE)`))
  return urlOf(url, name)
}

async function connectTo(connection: pg.ClientConfig): Promise<pg.Client> {
  const client = new pg.Client(connection)
  client.on('error', () => undefined)
  await client.connect()
  await client.query(`SET timezone = 'UTC'; SET datestyle = 'ISO'; SET bytea_output = 'hex'`)
  onTestFinished(() => client.end())
  return client
}

const toUrl = (url: string) => connectTo({ connectionString: url })
const toSource = () => connectTo({ ...findRunningServer(place.dataFolder), user: 'postgres', database: 'keyledger' })

type Dump = Readonly<Record<string, readonly string[]>>

/** Every row of every table of these schemas, as text. */
const SCHEMAS_OF_TRUTH = ['log', 'vault', 'audit']

async function dump(client: pg.Client, ...schemas: readonly string[]): Promise<Dump> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT schemaname || '.' || tablename AS name FROM pg_tables WHERE schemaname = ANY ($1) ORDER BY 1`,
    [schemas],
  )
  const tables: Record<string, readonly string[]> = {}
  for (const { name } of rows) {
    const { rows: found } = await client.query(`SELECT t::text FROM ${name} t ORDER BY t::text COLLATE "C"`)
    tables[name] = found.map(({ t }) => t)
  }
  return tables
}

const dumpAll = (client: pg.Client) => dump(client, 'log', 'state', 'vault', 'audit', 'migration')

/** Whether the rows of log and vault of both are the same, byte for byte. */
async function expectSameTruth(client: pg.Client, source: Dump): Promise<void> {
  expect(await dump(client, ...SCHEMAS_OF_TRUTH)).toEqual(source)
}

describe('while a server goes on with the source', () => {
  test('a move is a consistent backup as of one moment, and says what it is not', async () => {
    const target = await emptyTarget()
    let stopped = false
    const writers = [1, 2, 3].map(async (writer) => {
      for (let i = 0; !stopped; i++)
        await mutate(server.url, 'createKey', { keyspaceId, name: 'load', idempotencyKey: `${writer}-${i}` })
    })
    const { code, stdout, stderr } = await move(target.url)
    stopped = true
    await Promise.all(writers)
    expect({ code, stderr: stderr.includes('"error"') }).toEqual({ code: 0, stderr: false })
    expect(stdout).toContain('is NOT in the target')

    const [there, here] = [await toUrl(target.url), await toSource()]
    const logs = await Promise.all([there, here].map(eventsOf))
    const [copied = [], all = []] = logs
    expect(all.length).toBeGreaterThan(copied.length)
    expect(copied.length).toBeGreaterThan(5)
    const heads = new Map(
      (await there.query('SELECT shard, head FROM log.feed_shard')).rows.map((r) => [r.shard, r.head]),
    )
    expect(copied).toEqual(all.filter(({ shard, position }) => BigInt(position) <= BigInt(heads.get(shard))))
    for (const [shard, head] of heads) if (head > 0) expect(stdout).toContain(`${shard}: ${head}`)
    // What log and vault say of the same commands is of the same moment.
    const { rows } = await there.query(`
      SELECT (SELECT count(*)::int FROM log.event WHERE type = 'key.created') AS created,
             (SELECT count(DISTINCT e.stream_id)::int FROM vault.idempotency i, log.event e
               WHERE i.outcome -> 'eventIds' ? e.event_id) AS remembered,
             (SELECT count(*)::int FROM vault.idempotency) AS outcomes`)
    expect(rows[0].remembered).toBe(rows[0].created)
    expect(rows[0].outcomes).toBe(rows[0].created)
    expect(await checkState(target.owner)).toMatchObject({ events: copied.length, difference: null })
  })

  async function eventsOf(client: pg.Client) {
    const { rows } = await client.query<{ shard: number; position: string; text: string }>(
      'SELECT shard, shard_position AS position, t::text AS text FROM log.event t ORDER BY shard, shard_position',
    )
    return rows
  }

  test('a target with anything in it is refused, and stays as it is', async () => {
    const target = await emptyTarget()
    const there = await toUrl(target.url)
    await there.query(`INSERT INTO vault.root_key (digest, secret_id) VALUES (decode(repeat('11', 32), 'hex'), 'k9')`)
    const before = await dumpAll(there)
    const { code, stdout, stderr } = await move(target.url)
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toContain('has data of Keyledger already (in vault.root_key)')
    expect(await dumpAll(there)).toEqual(before)
  })

  test("a target with another software's schema of the same name is refused, and not migrated", async () => {
    const url = await bareTarget()
    const there = await toUrl(url)
    await there.query('CREATE SCHEMA log; CREATE TABLE log.entry (id int PRIMARY KEY)')
    expect(await move(url)).toMatchObject({ code: 1, stderr: expect.stringContaining('a schema `log` that is not') })
    expect(await dumpAll(there)).toEqual({ 'log.entry': [] })
  })

  test('who may only serve the target may not fill it', async () => {
    const target = await emptyTarget()
    const refused = await move(target.servingConnection.connectionString)
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('may not fill that database') })
  })
})

describe('a move that is cut off', () => {
  const KEY = 20_261_121

  /** Whoever inserts into the target's log waits until the gate is opened. */
  async function makeGate(url: string): Promise<{ reached(): Promise<void>; open(): Promise<unknown> }> {
    const gate = await toUrl(url)
    await gate.query(`
      CREATE FUNCTION public.gate() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN PERFORM pg_advisory_xact_lock_shared(${KEY}); RETURN NULL; END $$;
      CREATE TRIGGER gate BEFORE INSERT ON log.event FOR EACH STATEMENT EXECUTE FUNCTION public.gate();
      SELECT pg_advisory_lock(${KEY})`)
    return {
      reached: () => waitFor(gate, `SELECT FROM pg_stat_activity WHERE ${MOVING} AND wait_event = 'advisory'`),
      open: () => gate.query(`SELECT pg_advisory_unlock(${KEY})`),
    }
  }

  const MOVING = `datname = current_database() AND application_name = 'keyledger maintenance'`

  async function waitFor(client: pg.Client, query: string): Promise<void> {
    await expect.poll(async () => (await client.query(query)).rowCount).toBeGreaterThan(0)
  }

  const nobodyMoves = (client: pg.Client) =>
    waitFor(client, `SELECT WHERE NOT EXISTS (SELECT FROM pg_stat_activity WHERE ${MOVING})`)

  test('by kill -9 in the midst of copying leaves the target as empty as it was', async () => {
    const target = await emptyTarget()
    const there = await toUrl(target.url)
    const before = await dumpAll(there)
    const gate = await makeGate(target.url)
    const moving = startMove(target.url)
    await gate.reached()
    moving.child.kill('SIGKILL')
    await gate.open()
    await nobodyMoves(there)
    expect(await dumpAll(there)).toEqual(before)
    expect((await move(target.url)).code).toBe(0)
  })

  test('by the loss of its source says so and leaves the target as empty as it was', async () => {
    const target = await emptyTarget()
    const there = await toUrl(target.url)
    const before = await dumpAll(there)
    const gate = await makeGate(target.url)
    const moving = startMove(target.url)
    await gate.reached()
    const source = await toSource()
    await source.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE ${MOVING}`)
    await gate.open()
    const { code, stderr } = await moving.ended
    expect({ code, told: stderr.includes('The move did not succeed.') }).toEqual({ code: 1, told: true })
    expect(await dumpAll(there)).toEqual(before)
  })

  test('by kill -9 before state was made leaves a target where no server starts, until it is emptied as the next move says', async () => {
    const target = await emptyTarget()
    const there = await toUrl(target.url)
    const gate = await makeGate(target.url)
    const moving = startMove(target.url)
    await gate.reached()
    // Granted when the copy is committed, and before the rebuild looks at that table.
    const holder = await toUrl(target.url)
    await holder.query('BEGIN')
    const held = holder.query('LOCK TABLE state.rotation IN ACCESS EXCLUSIVE MODE')
    await waitFor(there, `SELECT FROM pg_locks WHERE relation = 'state.rotation'::regclass AND NOT granted`)
    await gate.open()
    await held
    await waitFor(there, `SELECT FROM pg_stat_activity WHERE ${MOVING} AND wait_event_type = 'Lock'`)
    moving.child.kill('SIGKILL')
    await moving.ended
    await holder.query('ROLLBACK')
    await nobodyMoves(there)
    expect((await dump(there, 'log'))['log.event']).not.toEqual([])

    const variables = { DATABASE_URL: target.url, KEYLEDGER_SECRETS: secrets, PORT: '0' }
    const starting = keyledger(['start'], variables)
    onTestFinished(() => void starting.child.kill('SIGKILL'))
    const refused = await starting.ended
    expect(refused).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('unfinished-move') })

    const again = await move(target.url)
    expect(again).toMatchObject({ code: 1, stdout: '' })
    await there.query(EMPTYING.exec(again.stderr)?.[1] ?? 'no statement was given')
    expect((await move(target.url)).code).toBe(0)
    await expectSameTruth(there, await dump(await toSource(), ...SCHEMAS_OF_TRUTH))
  })
})

describe('after the server was stopped', () => {
  test('the target is served with everything as it was, and goes on where the source ended', async () => {
    const input = { keyspaceId, name: 'first', permissions: ['ads.read'], idempotencyKey: 'once' }
    const first = await mutate(server.url, 'createKey', input, ISSUED)
    const revoked = await mutate(server.url, 'createKey', { keyspaceId, name: 'revoked' }, ISSUED)
    await mutate(server.url, 'revokeKey', { keyId: revoked.key.id, reason: 'KEY_COMPROMISE' })
    const rotated = await mutate(server.url, 'createKey', { keyspaceId, name: 'rotated' }, ISSUED)
    await mutate(server.url, 'rotateKey', { keyId: rotated.key.id, slot: 'PRIMARY', overlapSeconds: 3600 })
    const kept = await createKept(server.url)
    const history = await historyOf(server.url, rotated.key.id)
    // The server goes on sealing until it ends.
    const dumpWritten = async () => dump(await toSource(), 'log', 'state', 'vault', 'migration')
    const before = await dumpWritten()
    await server.end('SIGTERM')

    const url = await bareTarget()
    const { code, stdout } = await move(url)
    expect(code).toBe(0)
    expect(stdout).toContain(path.join(place.dataFolder, 'secrets'))
    expect(stdout).not.toContain('NOT in the target')
    const there = await toUrl(url)
    const isLogOrVault = ([name]: readonly [string, unknown]) => /^(log|vault)/.test(name)
    expect(await dump(there, 'log', 'vault')).toEqual(Object.fromEntries(Object.entries(before).filter(isLogOrVault)))

    const served = await startServerProcess({ DATABASE_URL: url, KEYLEDGER_SECRETS: secrets })
    onTestFinished(() => served.end('SIGKILL'))
    const verdicts = [first, revoked, rotated].map(async ({ issued: [{ secret }] }) => {
      const query = 'query ($input: VerifyKeyInput!) { verifyKey(input: $input) { code } }'
      return (await ask(served.url, query, { input: { key: secret } })).verifyKey.code
    })
    expect(await Promise.all(verdicts)).toEqual(['VALID', 'REVOKED', 'VALID'])
    expect(await historyOf(served.url, rotated.key.id)).toEqual(history)

    const replayed = await mutate(served.url, 'createKey', input, ISSUED)
    expect(replayed).toMatchObject({ key: first.key, events: first.events })
    const next = await mutate(served.url, 'createKey', { keyspaceId, name: 'next' }, ISSUED)
    const { rows } = await there.query(
      'SELECT count(*)::int AS count, max(position)::int AS position, max(shard_position)::int AS shard_position FROM log.event',
    )
    const events = before['log.event']?.length ?? 0
    expect(next.events.map((event: { position: string }) => Number(event.position))).toEqual([events + 1, events + 2])
    expect(rows).toEqual([{ count: events + 2, position: events + 2, shard_position: events + 2 }])
    const [{ secret, accessCode }] = kept.issued
    expect(await mutate(served.url, 'revealCode', { codeId: accessCode.id }, 'secret')).toEqual({ secret })

    const embedded = await startEmbeddedServer({ dataFolder: place.dataFolder })
    onTestFinished(() => embedded.stop())
    expect(await dumpWritten()).toEqual(before)
  })

  /** A key whose secret is sealed in the vault. */
  async function createKept(origin: string) {
    const { keyspace } = await ask(origin, 'query ($id: ID!) { keyspace(id: $id) { account { id } } }', {
      id: keyspaceId,
    })
    const input = { accountId: keyspace.account.id, name: 'kept', rules: { secretDisplay: 'REVEALABLE' } }
    const made = await mutate(origin, 'createKeyspace', input, 'keyspace { id }')
    return mutate(origin, 'createKey', { keyspaceId: made.keyspace.id, name: 'kept' }, ISSUED)
  }

  async function historyOf(origin: string, keyId: string) {
    const query =
      'query ($id: ID!) { key(id: $id) { events(first: 50) { nodes { id type position occurredAt data } } } }'
    return ask(origin, query, { id: keyId })
  }
})

describe('a log that was changed behind our back is not moved', () => {
  let embedded: EmbeddedServer
  let source: pg.Client

  beforeAll(async () => {
    await server.end('SIGTERM')
    embedded = await startEmbeddedServer({ dataFolder: place.dataFolder })
    source = new pg.Client(embedded.connection('postgres', 'keyledger'))
    await source.connect()
    await source.query('CREATE TABLE public.kept AS SELECT * FROM log.event; ALTER TABLE log.event DISABLE TRIGGER ALL')
  })
  afterEach(async () => {
    await source.query('DELETE FROM log.event; INSERT INTO log.event SELECT * FROM public.kept')
  })
  afterAll(async () => {
    await source.end()
    await embedded.stop()
  })

  async function refusal(tamper: string): Promise<string> {
    const target = await emptyTarget()
    const there = await toUrl(target.url)
    const before = await dumpAll(there)
    expect((await source.query(tamper)).rowCount).toBe(1)
    const { code, stderr } = await move(target.url)
    expect(code).toBe(1)
    expect(await dumpAll(there)).toEqual(before)
    return stderr
  }

  test.each([
    ['body', `body = overlay(body PLACING '\\x21'::bytea FROM 40)`, 'its MAC is wrong'],
    ['MAC', `mac = decode(repeat('00', 32), 'hex')`, 'its MAC is wrong'],
    ['data', `data = data || '{"name": "x"}'`, 'its body says otherwise than data'],
    ['actor', `actor_id = 'key_x'`, 'its body says otherwise than actor_id'],
    [
      'credential',
      `credential_key_id = 'key_x', credential_code_id = 'code_x'`,
      'its body says otherwise than credential_key_id, credential_code_id',
    ],
    ['type', `type = 'key.enabled'`, 'its body says otherwise than type'],
    ['time', `decided_at = decided_at + interval '1 second'`, 'its body says otherwise than decided_at'],
  ])('an event with another %s is named', async (_what, change, problem) => {
    const { rows } = await source.query(`SELECT event_id FROM log.event WHERE type = 'key.created' LIMIT 1`)
    const stderr = await refusal(`UPDATE log.event SET ${change} WHERE event_id = '${rows[0].event_id}'`)
    expect(stderr).toContain(`the event ${rows[0].event_id} `)
    expect(stderr).toContain(problem)
  })

  test.each([
    ['in between', '3'],
    ['at the end', '(SELECT max(shard_position) FROM log.event)'],
  ])('an event that is missing %s is named by its position', async (_where, position) => {
    const { rows } = await source.query(`SELECT ${position} AS position`)
    const stderr = await refusal(`DELETE FROM log.event WHERE shard_position = ${position}`)
    expect(stderr).toMatch(new RegExp(`the event at position ${rows[0].position} of shard \\d+ is missing`))
  })
})

describe('called in another way', () => {
  test('it answers with its usage, without a word of what was given', async () => {
    const url = `postgres://me:${PASSWORD}@localhost/target`
    const calls = [[], [url], ['--to'], ['--to', url.replace('postgres', 'mysql')], ['--to', url, url]]
    const ended = await Promise.all(calls.map((args) => keyledger(['move', ...args], {}).ended))
    for (const { code, stdout, stderr } of ended) {
      expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
      expect(stderr).toMatch(/^Usage: keyledger move --to <DATABASE_URL>\n/)
      expect(stderr).not.toContain(PASSWORD)
    }
  })

  test('where the source is a PostgreSQL server, pg_dump is pointed to', async () => {
    const { connection } = await emptyTarget()
    const variables = { DATABASE_URL: connection.connectionString, KEYLEDGER_SECRETS: secrets }
    const { code, stderr } = await move(connection.connectionString, variables)
    expect({ code, isAnswered: stderr.includes('pg_dump') }).toEqual({ code: 1, isAnswered: true })
  })

  test('a target that can not be reached is named as the problem', async () => {
    const { code, stderr } = await move('postgres://me@127.0.0.1:1/target')
    expect({ code, stderr: stderr.split(':')[0] }).toEqual({
      code: 1,
      stderr: 'No connection to the database to move to',
    })
  })
})
