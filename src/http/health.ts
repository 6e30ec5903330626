// What an orchestrator asks. Live: the process answers, so there is no reason to restart it. Ready: what it answers would be
// right, so requests may be sent to it. Anyone may ask, so an answer says which check failed and nothing of the inside.

import type { BaseLogger } from 'pino'
import type { Clock } from '#database/clock.ts'
import type { Database } from '#database/connect.ts'
import { statement } from '#database/connect.ts'
import { pendingMigrations } from '#database/migrate.ts'
import { epochMsOf, type Instant, SECOND_MS } from '#domain/instant.ts'
import { checkValueOf } from '#secret/check-value.ts'
import { sameDigest } from '#secret/digest.ts'
import type { Keyring } from '#secret/keyring.ts'

export const HEALTH_CHECKS = ['serving', 'database', 'migrations', 'secrets', 'clock'] as const
export type HealthCheck = (typeof HEALTH_CHECKS)[number]

export type Readiness = { readonly ready: boolean; readonly checks: Readonly<Record<HealthCheck, string>> }

export type HealthSubject = {
  readonly database: Database
  readonly keyring: Keyring
  readonly clock: Clock
  readonly isDraining: () => boolean
  readonly log: BaseLogger
}

type Results = Partial<Record<HealthCheck, string>>

const OK = 'ok'
const ANSWER_WITHIN_MS = 1_000
/** By then verdicts about expiry, which take the instance's clock, disagree with commands, which take the database's. */
const CLOCK_OFFSET_MAX_MS = SECOND_MS

/** Gives a function that answers within a second or so, however the database behaves, and never throws. */
export function readinessOf(subject: HealthSubject): () => Promise<Readiness> {
  // One at a time, shared by all who ask meanwhile: a database that hangs must not be given a pile of questions too.
  let running: Promise<Results> | undefined
  let wasReady = true
  return async () => {
    running ??= inspect(subject).finally(() => {
      running = undefined
    })
    const results = await within(running, ANSWER_WITHIN_MS, { database: `no answer within ${ANSWER_WITHIN_MS} ms` })
    const serving = subject.isDraining() ? 'shutting down' : OK
    const checks = Object.fromEntries(
      HEALTH_CHECKS.map((name) => [name, name === 'serving' ? serving : (results[name] ?? 'not known')]),
    ) as Record<HealthCheck, string>
    const ready = HEALTH_CHECKS.every((name) => checks[name] === OK)
    if (ready !== wasReady) subject.log.warn({ checks }, ready ? 'ready again' : 'not ready')
    wasReady = ready
    return { ready, checks }
  }
}

async function inspect({ database, keyring, clock }: HealthSubject): Promise<Results> {
  try {
    const askedAt = clock.now()
    const { rows } = await database.kysely.executeQuery(
      statement<{ now: Instant; standby: boolean }>(
        'SELECT clock_timestamp() AS now, pg_is_in_recovery() AS standby',
        [],
      ),
    )
    const answeredAt = clock.now()
    const [row] = rows
    if (row === undefined || row.standby) return { database: 'a read-only standby' }
    const pending = await pendingMigrations(database)
    if (pending.length > 0) return { database: OK, migrations: `${pending.length} pending` }
    return {
      database: OK,
      migrations: OK,
      secrets: await checkSecrets(database, keyring),
      clock: checkClock(askedAt, clock.fromDatabase(row.now), answeredAt),
    }
  } catch {
    return { database: 'not reachable' }
  }
}

/** Another instance may have registered a secret that this one lacks: what was made under it would be unknown here. */
async function checkSecrets(database: Database, keyring: Keyring): Promise<string> {
  const rows = await database.kysely.selectFrom('vault.secret_check').selectAll().execute()
  const known = rows.every((row) => {
    const entry = keyring.byId(row.secret_id)
    return entry !== undefined && sameDigest(checkValueOf(entry), row.check_value)
  })
  return known ? OK : 'one that is in use is missing or differs'
}

/** The database read its clock at some moment between asking and answer: only what neither end explains is an offset. */
function checkClock(askedAt: Instant, databaseNow: Instant, answeredAt: Instant): string {
  const [asked, database, answered] = [askedAt, databaseNow, answeredAt].map(epochMsOf) as [number, number, number]
  const offsetMs = Math.max(database - answered, asked - database, 0)
  return offsetMs <= CLOCK_OFFSET_MAX_MS ? OK : `${offsetMs} ms apart from the database's`
}

async function within<T>(work: Promise<T>, ms: number, otherwise: T): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<T>((resolve) => {
    timer = setTimeout(resolve, ms, otherwise)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}
