import { mkdir, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { eventEntry } from '#audit/entry.ts'
import { appendLeaves, EMPTY_EDGE, rootOf } from '#audit/tree/edge.ts'
import { leafHash } from '#audit/tree/hash.ts'
import { tilePath, tilesOf } from '#audit/tree/tiles.ts'
import { eraseUser } from '#commands/erase-user.ts'
import { updateAccount } from '#commands/update-account.ts'
import { newKeyringText } from '#secret/keyring.ts'
import { entriesIn, exportAfter, filesIn, manifestOf, type Row, rowsBelow, rowsOf } from '#test/support/audit-export.ts'
import { createTestDatabase, type TestDatabase } from '#test/support/database.ts'
import { keyledger, temporaryFolder } from '#test/support/process.ts'
import { readSealedLog, type SealedLog, testSealer } from '#test/support/sealing.ts'
import { type TestServices, testServices } from '#test/support/services.ts'

type Files = ReadonlyMap<string, Buffer>

let database: TestDatabase
let at: TestServices
let log: SealedLog
let accountId: string
let kept: string
let erased: string

/** More than a bundle is sealed; something of every kind is there, and two events are not sealed. */
beforeAll(async () => {
  database = await createTestDatabase()
  at = testServices(database.serving)
  ;({ accountId } = await at.createAccount())
  await at.createKey(await at.createKeyspace(accountId))
  const user = { name: 'Kept Person', email: 'kept@example.org' }
  kept = await at.addUser(accountId, user)
  erased = await at.addUser(accountId, { ...user, name: 'Gone Person' })
  await at.done(eraseUser, { userId: erased, reason: 'asked for it' })
  await at.linkKey(accountId, (await at.createForeignKey()).keyId)
  for (let i = 0; i < 270; i++) await at.done(updateAccount, { accountId, name: `name ${i}` })
  const sealer = testSealer({ database: database.serving, keyring: at.keyring })
  await sealer.sealNow()
  await sealer.stop()
  log = await readSealedLog(database.owner)
  for (let i = 0; i < 2; i++) await at.done(updateAccount, { accountId, name: `pending ${i}` })
})
afterAll(() => database.drop())

async function exported(...tampering: readonly string[]): Promise<Files> {
  const folder = await exportAfter(database.owner, ...tampering)
  onTestFinished(() => folder.remove())
  return filesIn(folder.root)
}

function bundlesOf(files: Files): readonly Buffer[] {
  const [first, second] = [tilePath('entries', 0, 256), tilePath('entries', 1, log.size - 256)]
  return [first, second].flatMap((name) => entriesIn(files.get(`audit/1/${name}`) ?? Buffer.alloc(0)))
}

function leafOf(row: Row): Buffer {
  return eventEntry({
    shard: Number(row.shard),
    shardPosition: BigInt(Number(row.shard_position)),
    position: BigInt(Number(row.position)),
    occurredAt: String(row.occurred_at),
    mac: Buffer.from(String(row.mac), 'base64'),
    macSecretId: String(row.mac_secret_id),
    body: Buffer.from(String(row.body), 'base64'),
  })
}

describe('an export', () => {
  test('lists every file with its hash, and itself last', async () => {
    const files = new Map(await exported())
    const manifest = files.get('manifest.sha256')?.toString('utf8') ?? ''
    files.delete('manifest.sha256')
    expect(manifest.split('\n').slice(0, -1).sort()).toEqual([...manifestOf(files)].sort())
    expect(manifest.endsWith('\n')).toBe(true)
  })

  test('has the newest checkpoint, every tile of its size, and the entries that make its root', async () => {
    const files = await exported()
    expect(files.get('audit/1/checkpoint')?.toString('utf8')).toBe(log.notes.at(-1))
    expect(rowsOf(files, 'audit/1/checkpoints.ndjson').map(({ note }) => note)).toEqual(log.notes)
    expect(bundlesOf(files)).toEqual(log.entries)
    const grown = appendLeaves(EMPTY_EDGE, bundlesOf(files).map(leafHash))
    expect(rootOf(grown.edge)).toEqual(log.root)
    const tiles = [...tilesOf(log.size)]
    expect(tiles.map(({ width }) => width)).toEqual([256, log.size - 256, 1])
    for (const { level, index, width } of tiles)
      expect(files.get(`audit/1/${tilePath(level, index, width)}`)).toEqual(
        grown.tiles.find((tile) => tile.level === level && tile.index === index)?.hashes.subarray(0, width * 32),
      )
    const within = [...files.keys()].filter((name) => name.startsWith('audit/'))
    expect(within).toHaveLength(tiles.length + 2 + 3)
  })

  test('says which logs and counters there are', async () => {
    const files = await exported()
    const said = JSON.parse(files.get('export.json')?.toString('utf8') ?? '')
    const root = log.root.toString('base64')
    expect(said).toMatchObject({
      format: 'keyledger-audit-export',
      version: 1,
      madeAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/),
      log: 1,
      logs: [{ number: 1, origin: log.origin, size: log.size, root, closedAt: null }],
    })
    const events = rowsBelow(files, 'events')
    expect(Object.keys(said.shards)).toHaveLength(16)
    for (const [shard, { head, lastEventId }] of Object.entries<{ head: number; lastEventId: string }>(said.shards)) {
      const own = events.filter((row) => String(row.shard) === shard)
      expect([head, lastEventId]).toEqual([own.length, own.at(-1)?.event_id ?? ''])
    }
    expect(rowsOf(files, 'audit/1/log-entries.ndjson')).toEqual([
      { leaf_index: 0, entry: log.entries[0]?.toString('base64') },
    ])
  })

  test('has every event in its shard and its order, sealed or not, from whose columns its entry is made', async () => {
    const events = rowsBelow(await exported(), 'events')
    const { rows } = await database.owner.pool.query(
      'SELECT event_id, data, credential_key_id, actor_id FROM log.event ORDER BY shard, shard_position',
    )
    expect(events).toMatchObject(rows)
    const sealed = new Set(log.entries.slice(1).map(String))
    const unsealed = events.filter((row) => !sealed.delete(String(leafOf(row))))
    expect(sealed.size).toBe(0)
    expect(unsealed.map(({ data }) => data)).toEqual([{ name: 'pending 0' }, { name: 'pending 1' }])
  })

  test('has counters and state as they stand', async () => {
    const files = await exported()
    const tables = ['account', 'keyspace', 'key', 'code', 'rotation', 'link', 'policy', 'user']
    for (const table of tables) {
      const { rows } = await database.owner.pool.query(
        `SELECT to_jsonb(t) AS row FROM state."${table}" t ORDER BY shard, ${table}_id`,
      )
      expect(rowsBelow(files, `state/${table}`)).toEqual(rows.map(({ row }) => row))
    }
    const streams = await database.owner.pool.query('SELECT * FROM log.stream ORDER BY shard, stream_id')
    expect(rowsBelow(files, 'streams')).toEqual(streams.rows)
    const accounts = await database.owner.pool.query(
      'SELECT shard, account_id, position::int FROM log.account ORDER BY shard, account_id',
    )
    expect(rowsOf(files, 'accounts.ndjson')).toEqual(accounts.rows)
  })

  test('shows of personal data that it is there, and not what it is, nor the key to it', async () => {
    const files = await exported()
    const personal = rowsOf(files, 'personal.ndjson')
    expect(new Set(personal.map(({ user_id }) => user_id))).toEqual(new Set([kept]))
    expect(personal.filter((row) => 'key' in row)).toEqual([{ shard: expect.any(Number), user_id: kept, key: true }])
    for (const row of personal.filter((row) => !('key' in row)))
      expect(Object.keys(row).sort()).toEqual(['name', 'sha256', 'shard', 'user_id', 'version'])
    const { rows } = await database.owner.pool.query(
      "SELECT encode(ciphertext, 'hex') AS hex FROM vault.personal UNION ALL SELECT encode(sealed, 'hex') FROM vault.user_key",
    )
    expect(rows.length).toBeGreaterThan(1)
    const everything = Buffer.concat([...files.values()])
    for (const { hex } of rows) {
      const bytes = Buffer.from(hex, 'hex')
      for (const form of [hex, bytes.toString('base64'), bytes]) expect(everything.includes(form)).toBe(false)
    }
  })

  test('tells how much it has', async () => {
    const folder = await exportAfter(database.owner)
    onTestFinished(() => folder.remove())
    expect(folder.exported).toMatchObject({
      sealed: log.size - 1,
      pending: 2,
      log: { number: 1, size: log.size, root: log.root.toString('base64') },
    })
  })
})

/** Of the account's events, far from both ends. */
const OF_AN_EVENT = `WHERE account_id = (SELECT account_id FROM log.account ORDER BY position DESC LIMIT 1) AND position = 100`

describe('what somebody changed', () => {
  test('an event that is gone leaves an empty entry, and the others as they were', async () => {
    const files = await exported(`DELETE FROM log.event ${OF_AN_EVENT}`)
    const entries = bundlesOf(files)
    const differing = entries.flatMap((entry, index) => (log.entries[index]?.equals(entry) === true ? [] : [entry]))
    expect(differing).toEqual([Buffer.alloc(0)])
    expect(rowsBelow(files, 'events')).toHaveLength(log.size - 1 + 2 - 1)
  })

  test('bytes that are no text are told byte by byte', async () => {
    const files = await exported(`UPDATE log.event SET body = '\\x00ff0a22' ${OF_AN_EVENT}`)
    const changed = rowsBelow(files, 'events').find(({ body }) => body === 'AP8KIg==')
    expect(changed).toBeDefined()
    const entries = bundlesOf(files).filter((entry, index) => log.entries[index]?.equals(entry) === false)
    expect(entries).toEqual([leafOf(changed ?? {})])
  })

  test.each([
    ['no instant', `occurred_at = '-infinity', decided_at = 'infinity'`, { occurred_at: '-infinity' }],
    ['an instant before all years', `occurred_at = '0044-03-15 00:00+00 BC'`, { occurred_at: /BC$/ }],
    ['an instant after all years', `occurred_at = '12026-01-01 00:00+00'`, { occurred_at: /^12026-/ }],
    ['a MAC of nothing that is known', `mac = decode(repeat('00', 32), 'hex')`, { mac: `${'A'.repeat(43)}=` }],
    ['numbers past those of JavaScript', `position = 9223372036854775807`, { event_id: /^evt_/ }],
    ['texts with anything in them', `correlation_id = E'"\\n\\u2028\\\\'`, { correlation_id: '"\n\u2028\\' }],
    ['an id without an end', `mac_secret_id = repeat('"', 60000)`, { mac_secret_id: /^"{60000}$/ }],
  ])('%s is told as it stands', async (_, change, expected) => {
    const files = await exported(`UPDATE log.event SET ${change} ${OF_AN_EVENT}`)
    const patterns = Object.entries(expected).map(([column, value]) => [
      column,
      typeof value === 'string' ? value : expect.stringMatching(value),
    ])
    expect(rowsBelow(files, 'events')).toContainEqual(expect.objectContaining(Object.fromEntries(patterns)))
    expect(bundlesOf(files)).toHaveLength(log.size)
  })

  test('events past the counters, and in shards that there are none of, are there too', async () => {
    const columns = 'position, event_id, stream_id, stream_kind, version, type, schema_version, actor_kind, actor_id'
    const rest = 'correlation_id, decided_at, occurred_at, body, data, mac, mac_secret_id, account_id'
    const copy = (shard: string, position: number) =>
      `INSERT INTO log.event (shard, shard_position, ${columns}, ${rest}) SELECT ${shard}, ${position}, position + 5000, 'evt_' || ${position},
         stream_id, stream_kind, version + 5000, type, schema_version, actor_kind, actor_id, ${rest} FROM log.event ${OF_AN_EVENT}`
    const files = await exported(copy('shard', 9_000), copy('-7', 9_001))
    const added = rowsBelow(files, 'events').filter((row) => Number(row.shard_position) >= 9_000)
    expect(added.map(({ event_id }) => event_id).sort()).toEqual(['evt_9000', 'evt_9001'])
    expect(rowsOf(files, 'events/-7.ndjson')).toHaveLength(1)
  })

  test('leaves, tiles and checkpoints that are gone or cut are missing, and nothing else', async () => {
    const untouched = await exported()
    const files = await exported(
      'DELETE FROM audit.leaf WHERE leaf_index >= 256',
      'UPDATE audit.tile SET hashes = substring(hashes FROM 1 FOR 64) WHERE level = 0 AND tile_index = 1',
      'DELETE FROM audit.tile WHERE level = 1',
      'DELETE FROM audit.checkpoint WHERE size = 1',
    )
    const gone = [...untouched.keys()].filter((name) => !files.has(name))
    expect(gone).toEqual([`audit/1/${tilePath(1, 0, 1)}`, `audit/1/${tilePath('entries', 1, log.size - 256)}`])
    expect(files.get(`audit/1/${tilePath(0, 1, log.size - 256)}`)).toHaveLength(64)
    expect(rowsOf(files, 'audit/1/checkpoints.ndjson')).toHaveLength(log.notes.length - 1)
  })

  test.each([
    ['a log that is closed', 'UPDATE audit.log SET closed_at = now()', 1],
    ['a log that is gone', 'DELETE FROM audit.log', null],
    ['a size that can not be', 'UPDATE audit.log SET size = 9000000000000000', 1],
    ['a checkpoint that can not be', `UPDATE audit.checkpoint SET note = 'x', size = size * 1000000000000`, 1],
    ['no checkpoint', 'DELETE FROM audit.checkpoint', 1],
    ['no events', 'DELETE FROM log.event', 1],
  ])('%s keeps nobody from an export', async (_, change, number) => {
    const files = await exported(change)
    expect(JSON.parse(files.get('export.json')?.toString('utf8') ?? '').log).toBe(number)
    expect(files.has('manifest.sha256')).toBe(true)
  })

  test('a former log is told by its tiles and checkpoints, without the entries of events', async () => {
    const files = await exported(
      'UPDATE audit.log SET closed_at = now()',
      ...['log', 'leaf', 'tile', 'checkpoint', 'cursor'].map((table) => copyOf(table)),
    )
    const names = [...files.keys()].filter((name) => name.startsWith('audit/1/'))
    expect(names).toContain('audit/1/log-entries.ndjson')
    expect(names).toContain(`audit/1/${tilePath(0, 0, 256)}`)
    expect(names.filter((name) => name.includes('entries/'))).toEqual([])
    expect(files.has(`audit/2/${tilePath('entries', 0, 256)}`)).toBe(true)
  })
})

/** The rows of log 1 once more as those of log 2. */
function copyOf(table: string): string {
  const changed = table === 'log' ? `, origin = origin || '2', closed_at = NULL` : ''
  return `CREATE TEMP TABLE copied_${table} ON COMMIT DROP AS SELECT * FROM audit.${table};
    UPDATE copied_${table} SET log_number = 2${changed}; INSERT INTO audit.${table} SELECT * FROM copied_${table}`
}

describe('keyledger audit export', () => {
  test('makes the folder, says what is in it, and never writes into one that has something in it', async () => {
    const place = await temporaryFolder()
    onTestFinished(() => place.remove())
    const variables = {
      DATABASE_URL: database.connection.connectionString,
      KEYLEDGER_SECRETS: newKeyringText(),
      LOG_LEVEL: 'silent',
    }
    const out = path.join(place.folder, 'exports/first')
    const run = () => keyledger(['audit', 'export', '--out', out], variables).ended
    expect(await run()).toMatchObject({
      code: 0,
      stderr: '',
      stdout:
        `${log.size + 1} events were exported, ${log.size - 1} sealed and 2 not yet; ` +
        `audit log 1 has size ${log.size} and root ${log.root.toString('base64')}\n${out}\n`,
    })
    const files = await filesIn(out)
    expect(files.has('manifest.sha256')).toBe(true)
    const again = await run()
    expect(again).toMatchObject({ code: 1, stdout: '' })
    expect(again.stderr).toContain(`There is something in ${out} already`)
    expect(await filesIn(out)).toEqual(files)
  })

  test('one file of somebody else is enough not to write', async () => {
    const place = await temporaryFolder()
    onTestFinished(() => place.remove())
    const out = path.join(place.folder, 'theirs')
    await mkdir(out)
    await writeFile(path.join(out, '.hidden'), 'theirs')
    const { code } = await keyledger(['audit', 'export', '--out', out], {
      DATABASE_URL: database.connection.connectionString,
      KEYLEDGER_SECRETS: newKeyringText(),
      LOG_LEVEL: 'silent',
    }).ended
    expect(code).toBe(1)
    expect(await readFile(path.join(out, '.hidden'), 'utf8')).toBe('theirs')
  })

  test('without a folder nothing is tried', async () => {
    expect(await keyledger(['audit', 'export'], {}).ended).toMatchObject({ code: 2, stdout: '' })
  })
})
