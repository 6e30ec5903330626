import pg from 'pg'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { findRunningServer } from '#database/embedded/running.ts'
import { newKeyringText } from '#secret/keyring.ts'
import { clientOf } from '#test/support/app.ts'
import { isAlive, keyledger, paste, postgresOf, type Running, temporaryFolder } from '#test/support/process.ts'

// Each test starts processes, and each of those a PostgreSQL.
const READY = /Keyledger is ready: (http:\/\/127\.0\.0\.1:\d+)\/graphql/
const ROOT_KEY = /^ {2}(root_\w+)$/m
const CURL = /^ {2}(curl .*)$/m
const CONFIGURED = 'a-root-key-of-more-than-32-characters'

let place: Awaited<ReturnType<typeof temporaryFolder>>
const running: Running[] = []

beforeEach(async () => {
  place = await temporaryFolder()
})

afterEach(async () => {
  for (const { child, ended } of running.splice(0)) {
    child.kill('SIGKILL')
    await ended
  }
  const postgres = postgresOf(place.dataFolder)
  if (postgres !== undefined) await expect.poll(() => isAlive(postgres)).toBe(false)
  await place.remove()
})

function run(args: readonly string[], variables: Record<string, string> = {}): Running {
  const started = keyledger(args, { KEYLEDGER_DATA_DIR: place.dataFolder, PORT: '0', ...variables })
  running.push(started)
  return started
}

async function start(variables?: Record<string, string>) {
  const server = run(['start'], variables)
  const origin = (await server.says(READY))[1] ?? ''
  return { server, origin }
}

async function stop(server: Running) {
  server.child.kill('SIGTERM')
  return server.ended
}

async function firstStart() {
  const { server, origin } = await start()
  const rootKey = (await server.says(ROOT_KEY))[1] ?? ''
  const curl = (await server.says(CURL))[1] ?? ''
  return { server, origin, rootKey, curl }
}

const kindOf = async (origin: string, credential: string) => {
  const { data, errors } = await clientOf(origin, credential).execute<{ viewer: { kind: string } }, object>(
    '{ viewer { kind } }',
  )
  return data?.viewer.kind ?? errors[0]?.extensions?.code
}

describe('the first start in an empty folder', () => {
  test('prints a root key and a command that creates a key as it is pasted', async () => {
    const { origin, rootKey, curl } = await firstStart()
    expect(await kindOf(origin, rootKey)).toBe('ROOT')
    expect(JSON.parse(await paste(curl))).toEqual({
      data: {
        createKey: {
          key: { id: expect.stringMatching(/^key_/) },
          issued: [{ secret: expect.stringMatching(/^key_\w+$/) }],
        },
      },
    })
  })

  test('logs JSON without any secret, and nothing on stdout but what is for people', async () => {
    const { server, rootKey, curl } = await firstStart()
    const [issued] = JSON.parse(await paste(curl)).data.createKey.issued
    const { stdout, stderr, code } = await stop(server)
    expect(code).toBe(0)
    for (const line of stderr.trim().split('\n')) expect(JSON.parse(line)).toMatchObject({ level: expect.any(String) })
    for (const secret of [rootKey, issued.secret]) expect(stderr).not.toContain(secret)
    expect(stdout).not.toContain('{"level"')
    expect(stdout).not.toContain(issued.secret)
  })

  test('that finds its port taken exits with 1, and leaves the root key to the next', async () => {
    const { origin } = await firstStart()
    const other = await temporaryFolder()
    try {
      const variables = { KEYLEDGER_DATA_DIR: other.dataFolder }
      const refused = await run(['start'], { ...variables, PORT: new URL(origin).port }).ended
      expect(refused).toMatchObject({ code: 1, stdout: '' })
      expect(refused.stderr).toContain('Another process listens')
      const { server } = await start(variables)
      await server.says(ROOT_KEY)
      expect((await stop(server)).code).toBe(0)
    } finally {
      await other.remove()
    }
  })

  test('with a configured root key prints no root key, and a command that takes it from the shell', async () => {
    const { server, origin } = await start({ KEYLEDGER_ROOT_KEY: CONFIGURED })
    const curl = (await server.says(CURL))[1] ?? ''
    expect(await kindOf(origin, CONFIGURED)).toBe('ROOT')
    expect(await paste(curl, { KEYLEDGER_ROOT_KEY: CONFIGURED })).toContain('"secret":"key_')
    const { stdout, stderr } = await stop(server)
    expect(stdout + stderr).not.toContain(CONFIGURED)
  })
})

describe('a later start', () => {
  test('finds the data and the same root key, and prints neither again', async () => {
    const first = await firstStart()
    const created = JSON.parse(await paste(first.curl)).data.createKey
    await stop(first.server)
    const { server, origin } = await start()
    const { key } = await clientOf(origin, first.rootKey).ask<{ key: { status: string } }, object>(
      'query ($id: ID!) { key(id: $id) { status } }',
      { id: created.key.id },
    )
    expect(key.status).toBe('ACTIVE')
    const { stdout } = await stop(server)
    expect(stdout).not.toMatch(/root_|curl/)
  })

  test('puts a configured root key in the place of the one before', async () => {
    const first = await firstStart()
    await stop(first.server)
    const { origin } = await start({ KEYLEDGER_ROOT_KEY: CONFIGURED })
    expect(await kindOf(origin, CONFIGURED)).toBe('ROOT')
    expect(await kindOf(origin, first.rootKey)).toBe('UNAUTHENTICATED')
  })

  test('with other secrets than the data was made under is refused', async () => {
    const secrets = newKeyringText()
    const { server } = await start({ KEYLEDGER_SECRETS: secrets })
    await stop(server)
    const wrong = newKeyringText()
    const refused = await run(['start'], { KEYLEDGER_SECRETS: wrong }).ended
    expect(refused).toMatchObject({ code: 1, stdout: '' })
    expect(refused.stderr).toContain('The secret k1 has another value')
    for (const value of [secrets, wrong]) expect(refused.stderr).not.toContain(value.slice(3))
  })
})

describe('the end', () => {
  test.each(['SIGTERM', 'SIGINT'] as const)('by %s is 0 and takes PostgreSQL along', async (signal) => {
    const { server } = await firstStart()
    const postgres = postgresOf(place.dataFolder) ?? 0
    expect(isAlive(postgres)).toBe(true)
    server.child.kill(signal)
    expect(await server.ended).toMatchObject({ code: 0, signal: null })
    expect(isAlive(postgres)).toBe(false)
  })

  test('by the signal twice in a moment, as npm passes it on, is an orderly one', async () => {
    const { server } = await firstStart()
    server.child.kill('SIGINT')
    server.child.kill('SIGINT')
    expect((await server.ended).code).toBe(0)
  })

  test('by a signal waits for a mutation in flight, whose client gets its answer', async () => {
    const { server, origin, rootKey } = await firstStart()
    const at = findRunningServer(place.dataFolder)
    const holder = new pg.Client({ ...at, user: 'postgres', database: 'keyledger' })
    await holder.connect()
    await holder.query('BEGIN; SELECT 1 FROM log.feed_shard FOR UPDATE')
    const answer = clientOf(origin, rootKey).execute<unknown, object>(
      'mutation { createAccount(input: { name: "Late" }) { __typename } }',
    )
    const waiting = "SELECT count(*)::int AS n FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    await expect.poll(async () => (await holder.query(waiting)).rows).toEqual([{ n: 1 }])
    server.child.kill('SIGTERM')
    await expect.poll(() => server.stderr()).toContain('stopping')
    await holder.query('COMMIT')
    await holder.end()
    expect(await answer).toMatchObject({ data: { createAccount: { __typename: 'CreateAccountSuccess' } } })
    expect((await server.ended).code).toBe(0)
  })

  test('by kill -9 leaves no PostgreSQL behind', async () => {
    const { server } = await firstStart()
    const postgres = postgresOf(place.dataFolder) ?? 0
    expect(isAlive(postgres)).toBe(true)
    server.child.kill('SIGKILL')
    await server.ended
    await expect.poll(() => isAlive(postgres)).toBe(false)
  })

  test('of PostgreSQL alone is the end of the server, with 1 and a log line that says so', async () => {
    const { server } = await firstStart()
    process.kill(postgresOf(place.dataFolder) ?? 0, 'SIGQUIT')
    const { code, stderr } = await server.ended
    expect(code).toBe(1)
    expect(stderr).toContain('the embedded database ended by itself')
  })
})

describe('keyledger root-key --new', () => {
  test('replaces the root key of a running server at once', async () => {
    const { origin, rootKey } = await firstStart()
    const { code, stdout } = await run(['root-key', '--new']).ended
    expect(code).toBe(0)
    expect(stdout).toMatch(/^root_\w+\n$/)
    expect(await kindOf(origin, stdout.trim())).toBe('ROOT')
    expect(await kindOf(origin, rootKey)).toBe('UNAUTHENTICATED')
  })

  test('works while no server runs', async () => {
    const { server } = await firstStart()
    await stop(server)
    const { stdout } = await run(['root-key', '--new']).ended
    const { origin } = await start()
    expect(await kindOf(origin, stdout.trim())).toBe('ROOT')
  })

  test('is refused where the root key is configured', async () => {
    const { code, stdout, stderr } = await run(['root-key', '--new'], { KEYLEDGER_ROOT_KEY: CONFIGURED }).ended
    expect([code, stdout]).toEqual([1, ''])
    expect(stderr).toContain('KEYLEDGER_ROOT_KEY is set')
    expect(stderr).not.toContain(CONFIGURED)
  })
})
