// The composition root: the one place where the parts are put together. What they are made of (connections, secrets, clock,
// log) is handed in, so that a test runs the same application in its own process.
import type { Logger } from 'pino'
import type { SigningKeys } from '#audit/note/signing-key.ts'
import { type Sealer, startSealer } from '#audit/seal/sealer.ts'
import type { SealingParts } from '#audit/seal/sealing.ts'
import type { CommandServices } from '#commands/command.ts'
import { watchedConnection } from '#database/watched-connection.ts'
import { startHousekeeping } from '#housekeeping.ts'
import { auditLogHandler } from '#http/audit-log.ts'
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
import { gatherUses, type UseGatherer } from '#usage/uses.ts'
import { createCodeFinder } from '#verify/code-finder.ts'
import { type IdentityProvider, identityTokens } from '#verify/identity-token.ts'
import { createKeyspaceFinder } from '#verify/keyspace-finder.ts'
import { createUserFinder } from '#verify/user-finder.ts'
import { type VerifyingServices, WAITS_MAX_MS } from '#verify/view.ts'

export type AppParts = {
  /** `database` is the serving one, and stays the caller's to close. */
  readonly services: Omit<CommandServices, 'committed'>
  readonly log: Logger
  readonly accessLogDays: number
  /** By whose tokens users sign in; null for nobody's. */
  readonly identityProvider: IdentityProvider | null
  readonly cacheCodes: number
  readonly stalenessMs: number
  readonly graphiql: boolean
  readonly introspection: boolean
  /** What the audit log is sealed by; null where this process does not. */
  readonly sealing: Pick<SealingParts, 'keys' | 'host' | 'anchors' | 'onStep'> | null
  /** What account heads are signed by; null where this process has no key. */
  readonly signingKeys: SigningKeys | null
  /** Of a worker it is the primary that does it. */
  readonly keepsHouse?: boolean
  /** For tests. */
  readonly eventStreamTimes?: EventStreamTimes
  /** For tests: how long verification waits for the database, where that is longer than it does. */
  readonly patienceMs?: number
  /** For tests: how long connections that are only kept open are left so when it closes. */
  readonly idleGraceMs?: number
}

export type App = {
  readonly services: VerifyingServices & { readonly uses: UseGatherer; readonly accesses: AccessGatherer }
  /** Gives the port, also where any was asked for (0). Rejects with the system's error. */
  listen(at: { readonly host: string; readonly port: number }): Promise<number>
  /** Null where this process does not seal. */
  readonly sealer: Sealer | null
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
    patienceMs = 0,
  } = parts
  const feed = startFeed({ database: given.database, log, patienceMs })
  const loading = watchedConnection(given.database, { patienceMs })
  const services = {
    ...given,
    feed,
    committed: feed.committed,
    codes: createCodeFinder({ ...given, loading, feed, cacheCodes }),
    keyspaces: createKeyspaceFinder({ loading, feed }),
    users: createUserFinder({ ...given, loading, feed }),
    subscribers: createSubscribers({ ...given, feed }),
    stalenessMs,
    waitsMaxMs: Math.max(WAITS_MAX_MS, patienceMs),
    uses: gatherUses({ database: given.database, log }),
    accesses: gatherAccesses({ ...given, log, accessLogDays }),
    accessLogDays,
    signingKeys: parts.signingKeys,
    identityTokens: identityProvider && identityTokens({ provider: identityProvider, log }),
  }
  const server = createHttpServer({
    graphql: graphqlHandler({ services, log, graphiql, introspection, eventStreamTimes: parts.eventStreamTimes }),
    secretDownload: secretDownloadHandler(services),
    eventExport: eventExportHandler({ services, log, readerMaxMs: parts.eventStreamTimes?.readerMaxMs }),
    forwardAuth: forwardAuthHandler({ services, log }),
    auditLog: auditLogHandler(services),
    readiness: readinessOf({ ...services, isDraining: () => server.isDraining(), log }),
    log,
    idleGraceMs: parts.idleGraceMs,
  })
  const housekeeping = (parts.keepsHouse ?? true) ? startHousekeeping(services, log) : undefined
  const sealer = parts.sealing && startSealer({ ...parts.sealing, ...given, log })
  return {
    services,
    sealer,
    async listen(at) {
      // A root key that was stored just now is known before it is first presented. Without a database nobody is known anyway.
      await feed.catchUp().catch(() => undefined)
      const port = await server.listen(at)
      housekeeping?.begin()
      sealer?.begin()
      return port
    },
    async close() {
      const drained = server.drain(DRAIN_TIMEOUT_MS)
      // They would never end by themselves.
      services.subscribers.stop()
      await Promise.all([drained, housekeeping?.stop()])
      // After the last request that could be a use.
      await Promise.all([services.uses.stop(), services.accesses.stop(), sealer?.stop()])
      services.codes.stop()
      services.keyspaces.stop()
      services.users.stop()
      loading.close()
      await feed.stop()
    },
  }
}
