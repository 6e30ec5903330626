// Verification while its database hangs, sleeps, is restarted or can't acknowledge, and while a process sleeps: a BOUNDED answer is within the
// bound or UNAVAILABLE, STRONG ones are never wrong, everything mends by itself, and no acknowledged mutation is lost or doubled.
// Each once here, ten times with FAULTS=full (`npm run faults`).
import { execFileSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { connect, type Database } from '#database/connect.ts'
import { clusterFolder } from '#database/embedded/cluster.ts'
import { readPostmasterFile } from '#database/embedded/running.ts'
import { type EmbeddedServer, startEmbeddedServer } from '#database/embedded/server.ts'
import { newRootKey } from '#secret/ids.ts'
import { newKeyringText } from '#secret/keyring.ts'
import { checkState } from '#state/check.ts'
import { median } from '../../bench/support/statistics.ts'
import { expectWhole, keepMutating } from '../support/acknowledged.ts'
import { type Client, clientOf } from '../support/app.ts'
import { type Act, acting, createKeyWith, unanswered, type Verified, violations } from '../support/linearizable.ts'
import { type ServerProcess, startServerProcess } from '../support/server-process.ts'
import { subscribe } from '../support/subscribe.ts'
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts'

const ROUNDS = process.env.FAULTS === 'full' ? 10 : 1
const BOUND_MS = 1_000
/** How long each fault lasts from the revocation on, so that the bound is over in it. */
const FAULT_MS = BOUND_MS + 1_500
/** Longer than PostgreSQL lets a transaction be idle, so that those of a process that sleeps are ended. */
const SLEEP_MS = 6_000
/** On a quiet machine, for which the long form is; another takes its time to give anybody a turn. */
const SOON_MS = ROUNDS === 1 ? 3_000 : 1_000
const MENDED = { timeout: 60_000, interval: 20 }
const timeout = 60_000 + ROUNDS * 120_000
const rootKey = newRootKey().reveal()

let folder: string
let postgres: EmbeddedServer
/** Both servers reach PostgreSQL by one, so that it can be elsewhere after a restart. */
let proxies: readonly [TcpProxy, TcpProxy]
/** Where changes are made, and where verification has to notice. */
let here: ServerProcess
let there: ServerProcess
let atHere: Client
let atThere: Client
/** A mutation by the process here, until it is done. */
let act: Act
let accountId: string
let keyspaceId: string

const start = () => startEmbeddedServer({ dataFolder: folder, settings: { fsync: 'off', full_page_writes: 'off' } })

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'keyledger-faults-'))
  postgres = await start()
  await onPostgres('CREATE DATABASE keyledger', 'postgres')
  const connection = postgres.connection('postgres', 'keyledger')
  proxies = [await startTcpProxy(connection), await startTcpProxy(connection)]
  const settings = {
    KEYLEDGER_SECRETS: newKeyringText(),
    KEYLEDGER_ROOT_KEY: rootKey,
    KEYLEDGER_STALENESS_MS: String(BOUND_MS),
  }
  here = await startServerProcess({ ...settings, DATABASE_URL: proxies[0].url })
  there = await startServerProcess({ ...settings, DATABASE_URL: proxies[1].url })
  atHere = clientOf(here.url, rootKey)
  atThere = clientOf(there.url, rootKey)
  act = acting([atHere])
  accountId = (await act('createAccount', '{ account { id } }', { name: 'Acme' })).account.id
  keyspaceId = (await act('createKeyspace', '{ keyspace { id } }', { accountId, name: 'apps' })).keyspace.id
})
afterAll(async () => {
  there.process.kill('SIGCONT')
  await Promise.all([here, there].map((server) => server.end('SIGTERM')))
  await Promise.all(proxies.map((proxy) => proxy.close()))
  await postgres.stop()
  await rm(folder, { recursive: true, force: true })
})

async function onPostgres(text: string, database = 'keyledger'): Promise<void> {
  const client = new pg.Client(postgres.connection('postgres', database))
  await client.connect()
  await client.query(text).finally(() => client.end())
}

type Answered = Verified & { readonly code: string }

async function verify(client: Client, key: string, consistency: string): Promise<Answered> {
  const document = 'query ($input: VerifyKeyInput!) { verifyKey(input: $input) { code } }'
  const beganAt = performance.now()
  const variables = { input: { key, consistency } }
  const sent = client.execute<{ verifyKey: { code: string } }, object>(document, variables)
  const answer = await sent.catch(unanswered)
  const code = answer.data?.verifyKey.code ?? String(answer.errors[0]?.extensions?.code)
  return { beganAt, code, valid: code === 'VALID', by: consistency }
}

/** Verifies there, again and again, until told to stop; gives all calls then. */
function watch(key: string, consistency: string) {
  let stopped = false
  const watching = async () => {
    const calls: Answered[] = []
    while (!stopped) {
      calls.push(await verify(atThere, key, consistency))
      await delay(5)
    }
    return calls
  }
  return {
    calls: watching(),
    stop() {
      stopped = true
    },
  }
}

type Trial = {
  /** Revokes the key here, however long that takes. */
  revoke(): Promise<void>
  /** One more BOUNDED verification there that counts. */
  verify(): Promise<Answered>
}

/** A key that was good there is revoked here during a fault, while mutations go on. Gives what BOUNDED verifications there said. */
async function revokedDuring(fault: (trial: Trial) => Promise<void>): Promise<ReadonlySet<string>> {
  const { keyId, secret } = await createKeyWith(act, { keyspaceId })
  const saysThere = async (code: string) => {
    for (const consistency of ['STRONG', 'BOUNDED'])
      expect((await verify(atThere, secret, consistency)).code).toBe(code)
  }
  await vi.waitFor(() => saysThere('VALID'), MENDED)
  const mutating = keepMutating([atHere, atThere, atHere, atThere], keyspaceId)
  await mutating.more(4)
  const watches = [watch(secret, 'BOUNDED'), watch(secret, 'BOUNDED')]
  const strong = watch(secret, 'STRONG')
  const more: Promise<Answered>[] = []
  let acknowledgedAt = Number.POSITIVE_INFINITY
  try {
    await fault({
      async revoke() {
        await act('revokeKey', '{ events { id } }', { keyId })
        acknowledgedAt = performance.now()
      },
      verify() {
        const call = verify(atThere, secret, 'BOUNDED')
        more.push(call)
        return call
      },
    })
    await vi.waitFor(() => saysThere('REVOKED'), MENDED)
    await mutating.more(4)
  } finally {
    for (const one of [...watches, strong]) one.stop()
  }
  await expectWhole(atHere, await mutating.stop())
  const calls = (await Promise.all([...watches.map((one) => one.calls), Promise.all(more)])).flat()
  expect(acknowledgedAt).toBeLessThan(Number.POSITIVE_INFINITY)
  expect(violations(calls, acknowledgedAt + BOUND_MS)).toEqual([])
  expect(violations(await strong.calls, acknowledgedAt)).toEqual([])
  const codes = new Set(calls.map(({ code }) => code))
  expect([...codes].filter((code) => !['VALID', 'REVOKED', 'UNAVAILABLE'].includes(code))).toEqual([])
  return codes
}

/** All of its processes, which go on when it is woken. New connections are still taken by the system, and nobody answers them. */
function putPostgresToSleep(): { wake(): void } {
  const postmaster = readPostmasterFile(clusterFolder(path.resolve(folder)))?.pid ?? 0
  const signal = (name: NodeJS.Signals) => {
    // First, so that it starts no others meanwhile.
    process.kill(postmaster, name)
    const backends = execFileSync('pgrep', ['-P', String(postmaster)], { encoding: 'utf8' })
    for (const pid of backends.trim().split('\n').map(Number)) {
      try {
        process.kill(pid, name)
      } catch {
        // It ended meanwhile.
      }
    }
  }
  signal('SIGSTOP')
  return { wake: () => signal('SIGCONT') }
}

async function crashPostgres(): Promise<void> {
  const postmaster = readPostmasterFile(clusterFolder(path.resolve(folder)))
  // What `pg_ctl stop -m immediate` sends: no goodbye to clients, and recovery at the next start.
  process.kill(postmaster?.pid ?? 0, 'SIGQUIT')
  await postgres.exited
}

async function restartPostgres(): Promise<void> {
  postgres = await start()
  for (const proxy of proxies) proxy.moveTo(postgres.connection('postgres', 'keyledger'))
}

async function positionOfAccount(): Promise<number> {
  const { account } = await atHere.ask<{ account: { events: { nodes: { position: string }[] } } }, object>(
    'query ($id: ID!) { account(id: $id) { events(last: 1) { nodes { position } } } }',
    { id: accountId },
  )
  return Number(account.events.nodes[0]?.position)
}

const rounds = Array.from({ length: ROUNDS }, (_, index) => index + 1)

describe.each(rounds)(
  'round %i: no BOUNDED verification that began more than the bound after a revocation says VALID',
  () => {
    test('while the connections to the database carry nothing', { timeout }, async () => {
      const [, proxy] = proxies
      const codes = await revokedDuring(async ({ revoke }) => {
        proxy.blackHole()
        await revoke()
        await delay(FAULT_MS)
        proxy.heal()
      })
      expect(codes).toContain('UNAVAILABLE')
    })

    test('after a process slept, also those that were asked meanwhile', { timeout }, async () => {
      await revokedDuring(async ({ revoke, verify }) => {
        there.process.kill('SIGSTOP')
        await revoke()
        await delay(SLEEP_MS)
        const asked = Promise.all(Array.from({ length: 20 }, verify))
        await delay(100)
        there.process.kill('SIGCONT')
        await asked
      })
    })

    test('while the database crashes and is started again, and subscriptions go on', { timeout }, async () => {
      const streams = await Promise.all(
        [here, there].map(({ url }) => subscribe({ origin: url, rootKey }, { accountId, after: 0 })),
      )
      const codes = await revokedDuring(async ({ revoke }) => {
        await revoke()
        await crashPostgres()
        await delay(FAULT_MS)
        await restartPostgres()
      })
      expect(codes).toContain('UNAVAILABLE')
      const last = await positionOfAccount()
      for (const stream of streams) {
        await stream.received(last)
        expect(stream.positions()).toEqual(Array.from({ length: last }, (_, index) => index + 1))
        expect(stream.told.filter(({ errors }) => errors !== undefined)).toEqual([])
        expect(stream.end()).toBeUndefined()
        stream.leave()
      }
    })

    test('while the database sleeps, during which nobody is kept waiting', { timeout }, async () => {
      const { secret } = await createKeyWith(act, { keyspaceId })
      const asked: { code: string; consistency: string; tookMs: number }[] = []
      const codes = await revokedDuring(async ({ revoke }) => {
        await revoke()
        const asleep = putPostgresToSleep()
        try {
          const until = performance.now() + FAULT_MS
          while (performance.now() < until)
            for (const consistency of ['STRONG', 'BOUNDED']) {
              const { code, beganAt } = await verify(atThere, secret, consistency)
              asked.push({ code, consistency, tookMs: performance.now() - beganAt })
            }
        } finally {
          asleep.wake()
        }
      })
      expect(codes).toContain('UNAVAILABLE')
      // Of a key that is not known there, which no bound helps.
      expect(new Set(asked.map(({ code }) => code))).toEqual(new Set(['UNAVAILABLE']))
      const strong = asked.filter(({ consistency }) => consistency === 'STRONG')
      expect(median(strong.map(({ tookMs }) => tookMs))).toBeLessThan(SOON_MS)
      await vi.waitFor(async () => expect((await verify(atThere, secret, 'STRONG')).code).toBe('VALID'), MENDED)
    })

    test('while no commit is acknowledged, during which verification goes on', { timeout }, async () => {
      const codes = await revokedDuring(async ({ revoke, verify: verifyThere }) => {
        await onPostgres("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
        await onPostgres('SELECT pg_reload_conf()')
        const revoking = revoke()
        await delay(FAULT_MS)
        await vi.waitFor(async () => expect((await verifyThere()).code).toBe('VALID'), MENDED)
        await onPostgres('ALTER SYSTEM RESET synchronous_standby_names')
        await onPostgres('SELECT pg_reload_conf()')
        await revoking
        await delay(BOUND_MS + 500)
      })
      expect(codes).toContain('REVOKED')
    })
  },
)

test('after all that, state is what the log says', { timeout }, async () => {
  const owner: Database = connect({
    connection: postgres.connection('postgres', 'keyledger'),
    prepared: false,
    poolSize: 2,
    queryTimeoutMs: 0,
    applicationName: 'keyledger-test',
    onIdleError: () => undefined,
  })
  expect((await checkState(owner)).difference).toBeNull()
  await owner.close()
})
