// The composition root: the one place where the parts are put together. What they are made of (connections, secrets, clock,
// log) is handed in, so that a test runs the same application in its own process.
import type { BaseLogger } from 'pino'
import type { CommandServices } from '#commands/command.ts'
import type { Completed } from '#commands/completion.ts'
import { fillDefaultKeys } from '#commands/fill-default-keys.ts'
import { freezeKeys } from '#commands/freeze-keys.ts'
import { type Database, statement } from '#database/connect.ts'
import { watchedConnection } from '#database/watched-connection.ts'
import { eventExportHandler } from '#http/event-export.ts'
import type { EventStreamTimes } from '#http/event-stream.ts'
import { forwardAuthHandler } from '#http/forward-auth.ts'
import { graphqlHandler } from '#http/graphql.ts'
import { readinessOf } from '#http/health.ts'
import { secretDownloadHandler } from '#http/secret-download.ts'
import { createHttpServer } from '#http/server.ts'
import { startFeed } from '#log/feed.ts'
import { createSubscribers } from '#log/subscribers.ts'
import { type AccessGatherer, gatherAccesses } from '#usage/accesses.ts'
import { type AccessLogParts, forgetOldDays, keepAccessLog } from '#usage/keep.ts'
import { gatherUses, type UseGatherer } from '#usage/uses.ts'
import { createCodeFinder } from '#verify/code-finder.ts'
import { type IdentityProvider, identityTokens } from '#verify/identity-token.ts'
import { createKeyspaceFinder } from '#verify/keyspace-finder.ts'
import type { VerifyingServices } from '#verify/view.ts'

export type AppParts = {
  /** `database` is the serving one, and stays the caller's to close. */
  readonly services: Omit<CommandServices, 'committed'>
  readonly log: BaseLogger
  readonly accessLogDays: number
  /** By whose tokens users sign in; null for nobody's. */
  readonly identityProvider: IdentityProvider | null
  readonly cacheCodes: number
  readonly stalenessMs: number
  readonly graphiql: boolean
  readonly introspection: boolean
  /** For tests. */
  readonly eventStreamTimes?: EventStreamTimes
}

export type App = {
  readonly services: VerifyingServices & { readonly uses: UseGatherer; readonly accesses: AccessGatherer }
  /** Gives the port, also where any was asked for (0). Rejects with the system's error. */
  listen(at: { readonly host: string; readonly port: number }): Promise<number>
  /** Refuses new requests, lets those in flight end, within 10 s, and stops all work of its own. */
  close(): Promise<void>
}

const DRAIN_TIMEOUT_MS = 10_000

export function buildApp(parts: AppParts): App {
  const {
    services: given,
    log,
    accessLogDays,
    identityProvider,
    cacheCodes,
    stalenessMs,
    graphiql,
    introspection,
  } = parts
  const feed = startFeed({ database: given.database, log })
  const loading = watchedConnection(given.database)
  const services = {
    ...given,
    feed,
    committed: feed.committed,
    codes: createCodeFinder({ ...given, loading, feed, cacheCodes }),
    keyspaces: createKeyspaceFinder({ loading, feed }),
    subscribers: createSubscribers({ ...given, feed }),
    stalenessMs,
    uses: gatherUses({ database: given.database, log }),
    accesses: gatherAccesses({ ...given, log, accessLogDays }),
    accessLogDays,
    identityTokens: identityProvider && identityTokens({ provider: identityProvider, log }),
  }
  const server = createHttpServer({
    graphql: graphqlHandler({ services, log, graphiql, introspection, eventStreamTimes: parts.eventStreamTimes }),
    secretDownload: secretDownloadHandler(services),
    eventExport: eventExportHandler({ services, log, readerMaxMs: parts.eventStreamTimes?.readerMaxMs }),
    forwardAuth: forwardAuthHandler({ services, log }),
    readiness: readinessOf({ ...services, isDraining: () => server.isDraining(), log }),
    log,
  })
  const housekeeping = startHousekeeping(services, log)
  return {
    services,
    async listen(at) {
      const port = await server.listen(at)
      housekeeping.begin()
      return port
    },
    async close() {
      const drained = server.drain(DRAIN_TIMEOUT_MS)
      // They would never end by themselves.
      services.subscribers.stop()
      await Promise.all([drained, housekeeping.stop()])
      // After the last request that could be a use.
      await Promise.all([services.uses.stop(), services.accesses.stop()])
      services.codes.stop()
      services.keyspaces.stop()
      loading.close()
      await feed.stop()
    },
  }
}

const HOUR_MS = 3_600_000
/** Not all at once where many instances start together, and yet before one that is often restarted ends again. */
const FIRST_WITHIN_MS = 600_000
const BATCH_SIZE = 1_000

type HousekeepingParts = CommandServices & AccessLogParts

/** Hourly or so, at moments of each instance's own. */
function startHousekeeping(services: HousekeepingParts, log: BaseLogger): { begin(): void; stop(): Promise<void> } {
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
    await attempt(forgetOldDays(database, clock, isStopped), 'old counts of uses could not be forgotten')
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
