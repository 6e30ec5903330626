// Reading the log: only what this software knows, without holes.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { send, statement } from '#database/connect.ts'
import { inTransaction } from '#database/transaction.ts'
import { append } from '#log/append.ts'
import type { EventBody } from '#log/body.ts'
import { foldStreams, lockStreams, type StoredEvent } from '#log/load.ts'
import { upcast } from '#log/upcast.ts'
import { newId, newSalt } from '#secret/ids.ts'
import { createTestDatabase, type TestDatabase } from '#test/support/database.ts'
import { type TestServices, testServices } from '#test/support/services.ts'

let database: TestDatabase
let at: TestServices
beforeAll(async () => {
  database = await createTestDatabase()
  at = testServices(database.serving)
})
afterAll(() => database.drop())

const stored = (version: number, changes: Partial<StoredEvent> = {}): StoredEvent => ({
  stream_id: 'acct_00aaaaaaaaaaaaaaaaaaaa',
  stream_kind: 'account',
  account_id: 'acct_00aaaaaaaaaaaaaaaaaaaa',
  version,
  type: version === 1 ? 'account.created' : 'account.updated',
  schema_version: 1,
  actor_kind: 'ROOT',
  actor_id: null,
  decided_at: '2026-03-01T09:00:00.000Z',
  data: { name: `name ${version}`, managementKeyspaceId: 'ks_00aaaaaaaaaaaaaaaaaaaa' },
  ...changes,
})

describe('folding', () => {
  test('takes the events of each stream in their order', () => {
    const other = { stream_id: 'acct_00bbbbbbbbbbbbbbbbbbbb', account_id: 'acct_00bbbbbbbbbbbbbbbbbbbb' }
    const streams = foldStreams([stored(1), stored(2), stored(1, other), stored(3), stored(2, other)])
    expect([...streams.values()].map(({ id, version }) => [id, version])).toEqual([
      ['acct_00aaaaaaaaaaaaaaaaaaaa', 3],
      ['acct_00bbbbbbbbbbbbbbbbbbbb', 2],
    ])
    expect(streams.get('acct_00aaaaaaaaaaaaaaaaaaaa')?.state).toMatchObject({ name: 'name 3' })
  })

  test.each([
    ['without its first event', [stored(2)]],
    ['with a hole', [stored(1), stored(3)]],
    ['with a repeated event', [stored(1), stored(1)]],
  ])('refuses a stream %s', (_what, events) => {
    expect(() => foldStreams(events)).toThrow('is dense')
  })

  test.each([
    ['an unknown type', { type: 'account.exploded' }],
    ['a type that only an object has', { type: 'constructor' }],
    ['a version from the future', { schema_version: 2 }],
    ['a version before the first', { schema_version: 0 }],
  ])('refuses %s', (_what, changes) => {
    expect(() => foldStreams([stored(1, changes)])).toThrow('Invariant broken')
    const { type, schema_version, data } = stored(1, changes)
    expect(() => upcast(type, schema_version, data)).toThrow('Invariant broken')
  })
})

describe('locking streams', () => {
  test('answers with their events, and leaves out what is no stream', async () => {
    const { accountId } = await at.createAccount()
    const unknown = `${accountId.slice(0, -1)}${accountId.endsWith('0') ? '1' : '0'}`
    const shard = await shardOf(accountId)
    const locks = [accountId, unknown, "'; --"].map((id) => ({ id, exclusive: true }))
    const events = await send(database.serving.pool, lockStreams(shard, locks))
    expect(events.map(({ stream_id, version, type }) => [stream_id, version, type])).toEqual([
      [accountId, 1, 'account.created'],
    ])
  })

  test('reads after the wait, so that what another command did meanwhile is seen', async () => {
    const { accountId } = await at.createAccount()
    const keyspaceId = await at.createKeyspace(accountId)
    const { keyId } = await at.createKey(keyspaceId)
    const shard = await shardOf(accountId)
    const lock = lockStreams(shard, [{ id: keyId, exclusive: true }])
    const disabled: EventBody = {
      eventId: newId('evt', shard),
      accountId,
      streamId: keyId,
      streamKind: 'key',
      version: 3,
      type: 'key.disabled',
      schemaVersion: 1,
      actor: { kind: 'ROOT', id: null },
      credential: null,
      correlationId: 'test',
      decidedAt: at.clock.now(),
      data: {},
      salt: newSalt(),
      personal: {},
    }
    const { waiting } = await inTransaction(database.serving, async (transaction) => {
      await transaction.run(lock)
      const waiting = send(database.serving.pool, lock)
      await untilOneWaits()
      await transaction.commitWith(append(at.keyring, shard, [disabled]))
      return { waiting }
    })
    expect((await waiting).map(({ version, type }) => [version, type])).toEqual([
      [1, 'key.created'],
      [2, 'code.issued'],
      [3, 'key.disabled'],
    ])
  })

  test('shared lets others share and keeps writers out; exclusive keeps everyone out', async () => {
    const { accountId } = await at.createAccount()
    const shard = await shardOf(accountId)
    const shared = lockStreams(shard, [{ id: accountId, exclusive: false }])
    const exclusive = lockStreams(shard, [{ id: accountId, exclusive: true }])
    const blocked = (holder: typeof shared, comer: typeof shared) =>
      inTransaction(database.serving, async (transaction) => {
        await transaction.run(holder)
        return inTransaction(database.serving, async (other) => {
          await other.run(statement(`SELECT set_config('lock_timeout', $1, true)`, ['50ms']))
          return other.run(comer).then(
            () => false,
            (error) => error.code === '55P03',
          )
        })
      })
    expect(await blocked(shared, shared)).toBe(false)
    expect(await blocked(shared, exclusive)).toBe(true)
    expect(await blocked(exclusive, shared)).toBe(true)
    expect(await blocked(exclusive, exclusive)).toBe(true)
  })
})

async function shardOf(accountId: string): Promise<number> {
  const { rows } = await database.owner.pool.query('SELECT shard FROM log.account WHERE account_id = $1', [accountId])
  return rows[0].shard
}

async function untilOneWaits(): Promise<void> {
  for (;;) {
    const { rows } = await database.serving.pool.query(
      `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
    )
    if (rows.length > 0) return
  }
}
