// What has to be done now and then, by whoever runs: what others left undone, and what is older than it needs to be. Any number of
// instances may do it beside each other.
import type { BaseLogger } from 'pino'
import type { CommandServices } from '#commands/command.ts'
import type { Completed } from '#commands/completion.ts'
import { fillDefaultKeys } from '#commands/fill-default-keys.ts'
import { forgetErased } from '#commands/forget-accesses.ts'
import { freezeKeys } from '#commands/freeze-keys.ts'
import { type Database, statement } from '#database/connect.ts'
import { DAY_MS, plusMs } from '#domain/instant.ts'
import { type AccessLogParts, forgetOldDays, keepAccessLog } from '#usage/keep.ts'

export type Housekeeping = { begin(): void; stop(): Promise<void> }

const HOUR_MS = 3_600_000
/** Not all at once where many instances start together, and yet before one that is often restarted ends again. */
const FIRST_WITHIN_MS = 600_000
const BATCH_SIZE = 1_000
/** More than an entry of the access log may be late. */
const LATE_DAYS = 7

type HousekeepingParts = CommandServices & AccessLogParts

/** Hourly or so, at moments of each instance's own. */
export function startHousekeeping(services: HousekeepingParts, log: BaseLogger): Housekeeping {
  const { database, clock, accessLogDays } = services
  let stopped = false
  let running: Promise<void> = Promise.resolve()
  let timer: NodeJS.Timeout | undefined

  function schedule(delayMs: number): NodeJS.Timeout {
    return setTimeout(() => {
      running = running.then(keep).then(() => {
        if (!stopped) timer = schedule(HOUR_MS * (0.5 + Math.random()))
      })
    }, delayMs).unref()
  }

  /** One by one, so that what fails keeps nothing else from being done. */
  async function keep(): Promise<void> {
    await finish()
    await attempt(forgetOutcomes(database, isStopped), 'old idempotency keys could not be forgotten')
    await attempt(keepAccessLog(database, clock, accessLogDays), 'the access log could not be kept')
    await attempt(forgetAccessesOfErased(), 'what the access log knows of erased users could not be forgotten')
    await attempt(forgetOldDays(database, clock, isStopped), 'old counts of uses could not be forgotten')
  }

  /** Services tell of uses days later: as long as there may be entries from when they were still there. */
  function forgetAccessesOfErased(): Promise<void> {
    return forgetErased(database, plusMs(clock.now(), -(accessLogDays + LATE_DAYS) * DAY_MS), isStopped)
  }

  /** What a process that ended left undone. */
  async function finish(): Promise<void> {
    const options = { correlationId: 'housekeeping', isStopped }
    const told =
      (what: string) =>
      ({ made, failed }: Completed) => {
        if (made + failed > 0) log.info({ made, failed }, what)
      }
    await attempt(
      freezeKeys(services, options).then(told('keys were frozen as their keyspace is')),
      'keys could not be frozen',
    )
    await attempt(
      fillDefaultKeys(services, options).then(told('default keys were made for users who were without one')),
      'default keys could not be made',
    )
  }

  function isStopped(): boolean {
    return stopped
  }

  function attempt(work: Promise<unknown>, failure: string): Promise<unknown> {
    return work.catch((error: unknown) => log.warn({ err: error }, failure))
  }

  return {
    begin() {
      running = finish()
      timer = schedule(FIRST_WITHIN_MS * Math.random())
    },
    async stop() {
      stopped = true
      clearTimeout(timer)
      await running
    },
  }
}

/** Deletes what safe retries no longer need, in small transactions, until nothing is left or it is told to stop. */
export async function forgetOutcomes(database: Database, isStopped: () => boolean): Promise<void> {
  while (!isStopped()) {
    // By the database's clock, which wrote created_at: one that is wrong here could forget what a retry still needs.
    const { numAffectedRows = 0n } = await database.kysely.executeQuery(
      statement<never>(
        `DELETE FROM vault.idempotency i
          USING (SELECT shard, caller, mutation, key_digest FROM vault.idempotency
                  WHERE created_at < clock_timestamp() - interval '48 hours'
                  ORDER BY created_at LIMIT $1 FOR UPDATE SKIP LOCKED) AS old
          WHERE (i.shard, i.caller, i.mutation, i.key_digest) = (old.shard, old.caller, old.mutation, old.key_digest)`,
        [BATCH_SIZE],
      ),
    )
    if (numAffectedRows < BATCH_SIZE) return
  }
}
