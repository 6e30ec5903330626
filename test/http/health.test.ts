import { afterEach, describe, expect, inject, test } from 'vitest'
import { plusMs } from '#domain/instant.ts'
import { readinessOf } from '#http/health.ts'
import { startTestApp, type TestApp, type TestAppOptions } from '#test/support/app.ts'
import { createTestClock } from '#test/support/clock.ts'
import { recordingLogger } from '#test/support/log.ts'
import { onServer } from '#test/support/server.ts'

const apps: TestApp[] = []

afterEach(async () => {
  for (const app of apps.splice(0)) await app.close()
})

async function start(options?: TestAppOptions): Promise<TestApp> {
  const app = await startTestApp(options)
  apps.push(app)
  return app
}

async function ready({ origin }: TestApp) {
  const response = await fetch(`${origin}/health/ready`)
  return { status: response.status, body: (await response.json()) as unknown }
}

const OK = { serving: 'ok', database: 'ok', migrations: 'ok', secrets: 'ok', clock: 'ok' }

describe('readiness', () => {
  test('names every check', async () => {
    expect(await ready(await start())).toEqual({ status: 200, body: { ready: true, checks: OK } })
  })

  test('fails while a migration is pending', async () => {
    const app = await start()
    await app.database.owner.pool.query(
      'DELETE FROM migration.applied WHERE name = (SELECT max(name) FROM migration.applied)',
    )
    expect(await ready(app)).toMatchObject({ status: 503, body: { ready: false, checks: { migrations: '1 pending' } } })
  })

  test('fails where a secret is in use that this instance lacks, or has with another value', async () => {
    const app = await start()
    const register = 'INSERT INTO vault.secret_check VALUES ($1, $2)'
    await app.database.owner.pool.query(register, ['k9', Buffer.alloc(32)])
    const missing = { status: 503, body: { checks: { secrets: 'one that is in use is missing or differs' } } }
    expect(await ready(app)).toMatchObject(missing)
    await app.database.owner.pool.query('DELETE FROM vault.secret_check')
    expect((await ready(app)).status).toBe(200)
    await app.database.owner.pool.query(register, [app.keyring.newest.id, Buffer.alloc(32)])
    expect(await ready(app)).toMatchObject(missing)
  })

  test.each([
    [1_000, 200],
    [-1_000, 200],
    [1_001, 503],
    [-1_001, 503],
  ])('with a database whose clock is %i ms ahead is %i', async (offsetMs, status) => {
    const clock = createTestClock()
    const app = await start({ clock: { ...clock, fromDatabase: () => plusMs(clock.now(), offsetMs) } })
    expect((await ready(app)).status).toBe(status)
  })

  test('fails within its time where the database does not answer, and the process stays alive', async () => {
    const app = await start({ poolSize: 1 })
    const only = await app.app.services.database.pool.connect()
    try {
      expect(await ready(app)).toMatchObject({
        status: 503,
        body: { checks: { database: 'no answer within 1000 ms', clock: 'not known' } },
      })
      expect((await fetch(`${app.origin}/health/live`)).status).toBe(200)
    } finally {
      only.release()
    }
    await expect.poll(async () => (await ready(app)).status).toBe(200)
  })

  test('fails where the database can not be reached, and tells nothing of why', async () => {
    const app = await start()
    const { rows } = await app.database.owner.pool.query<{ name: string }>('SELECT current_database() AS name')
    const name = rows[0]?.name ?? ''
    await onServer(
      inject('testServer').url,
      `ALTER DATABASE ${name} ALLOW_CONNECTIONS false`,
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${name}'`,
    )
    expect(await ready(app)).toEqual({
      status: 503,
      body: {
        ready: false,
        checks: { ...OK, database: 'not reachable', migrations: 'not known', secrets: 'not known', clock: 'not known' },
      },
    })
    expect((await fetch(`${app.origin}/health/live`)).status).toBe(200)
  })

  test('fails while draining', async () => {
    const { app } = await start()
    const { log, logged } = recordingLogger()
    const readiness = readinessOf({ ...app.services, isDraining: () => true, log })
    expect(await readiness()).toEqual({ ready: false, checks: { ...OK, serving: 'shutting down' } })
    await readiness()
    // Once, however often it is asked for.
    expect(logged).toMatchObject([{ level: 'warn', msg: 'not ready', checks: { serving: 'shutting down' } }])
  })
})
