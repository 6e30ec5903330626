// The one reader of the log in a process. Everything that follows the log (the cache of verification, subscriptions) is told by
// it, in order. `catchUp` is what makes an answer current: whoever awaited it has seen all that was acknowledged before.
import type { BaseLogger } from 'pino'
import { type Database, statement } from '#database/connect.ts'
import { UnavailableError } from '#database/unavailable.ts'
import { type WatchedConnection, watchedConnection } from '#database/watched-connection.ts'
import { epochMsOf, SECOND_MS } from '#domain/instant.ts'
import { type Cursors, type FeedEvent, type Polled, poll, readPoll, type Surroundings } from './poll.ts'

/** Told synchronously, so that nothing is ever seen half done. */
export type Follower = {
  /** All events since the last call, each shard's in order. */
  onEvents(events: readonly FeedEvent[]): void
  /** What was derived from the log so far no longer holds. Events of before come again only where the log was rewound. */
  onReset(why: 'rewound' | 'rebuilt'): void
}

export type Feed = {
  /**
   * Resolves when all that was acknowledged before this call has been handed on. Rejects with UnavailableError where
   * that can't be had within 800 ms.
   */
  catchUp(): Promise<void>
  /** How long ago the last completed poll began; infinite before the first. What it had not seen yet is younger than that. */
  ageMs(): number
  /** How far each shard has been handed on. */
  cursors(): Cursors
  /** As of the last poll; undefined before the first. */
  surroundings(): Surroundings | undefined
  follow(follower: Follower): { stop(): void }
  /** This process has committed events: it and others look soon. */
  committed(): void
  stop(): Promise<void>
}

export type FeedParts = {
  readonly database: Database
  readonly log: BaseLogger
  /** For tests: a catch-up may take so long, where that is longer. */
  readonly patienceMs?: number
}

/** A caller who waits longer would rather be told. */
export const CATCH_UP_MAX_MS = 800
/** How old a quiet process's view may get; with a poll that fails and one that is given up it stays below 2 s. */
const POLL_INTERVAL_MS = 500
/** Commits of so long share a hint: NOTIFY takes a lock that all its senders share. */
const HINT_DELAY_MS = 10
const CLOCK_OFFSET_MAX_MS = SECOND_MS

const CHANNEL = 'keyledger_feed'
// Asynchronous commit: NOTIFY takes part in a commit, and nobody must wait for a flush because of it.
const HINT = statement<never>(`SELECT set_config('synchronous_commit', 'off', true), pg_notify('${CHANNEL}', '')`, [])

export function startFeed({ database, log, patienceMs = 0 }: FeedParts): Feed {
  const alarms = createAlarms(log)
  const connection = watchedConnection(database, {
    settle(client) {
      client.on('notification', look)
      // Behind a pooler that shares connections this stays without effect, and so do hints: polls come by themselves.
      return client.query(`LISTEN ${CHANNEL}`)
    },
  })
  const reader = createReader(connection, alarms)
  let confirmedAt: Moment | undefined
  let stopped = false
  /** The round under way, and the one after it, which those who ask now share. */
  let running: Promise<void> | undefined
  let next: Promise<void> | undefined
  let timer: NodeJS.Timeout | undefined
  let hintTimer: NodeJS.Timeout | undefined

  function catchUp(): Promise<void> {
    next ??= afterRunning(performance.now() + Math.max(CATCH_UP_MAX_MS, patienceMs))
    return next
  }

  /** `deadline`: what the first who asked for this round can wait for, the round before it included. */
  async function afterRunning(deadline: number): Promise<void> {
    await running?.catch(() => undefined)
    // Whoever asks in the same turn of the event loop shares it.
    await new Promise((resolve) => setImmediate(resolve))
    running = next
    next = undefined
    await round(deadline)
  }

  /** Polls until all that the first poll saw the end of has been handed on. */
  async function round(deadline: number): Promise<void> {
    clearTimeout(timer)
    const beganAt = thisMoment()
    try {
      if (stopped) throw new UnavailableError('The feed has stopped')
      const heads = await reader.poll(deadline)
      while (reader.isBehind(heads)) await reader.poll(deadline)
      confirmedAt = beganAt
      alarms.reached()
    } catch (error) {
      if (!stopped) alarms.unreachable(error)
      throw new UnavailableError('The log can not be read now', { cause: error })
    } finally {
      running = undefined
      if (!stopped && next === undefined) timer = setTimeout(look, POLL_INTERVAL_MS).unref()
    }
  }

  function look(): void {
    catchUp().catch(() => undefined)
  }

  look()
  return {
    catchUp,
    ageMs: () => (confirmedAt === undefined ? Number.POSITIVE_INFINITY : msSince(confirmedAt)),
    cursors: reader.cursors,
    surroundings: reader.surroundings,
    follow: reader.follow,
    committed() {
      hintTimer ??= setTimeout(() => {
        hintTimer = undefined
        connection.tell(HINT)
        look()
      }, HINT_DELAY_MS).unref()
    },
    async stop() {
      stopped = true
      clearTimeout(hintTimer)
      await (next ?? running)?.catch(() => undefined)
      clearTimeout(timer)
      connection.close()
    },
  }
}

type Moment = { readonly monotonicMs: number; readonly wallMs: number }

function thisMoment(): Moment {
  return { monotonicMs: performance.now(), wallMs: Date.now() }
}

/** The monotonic clock stands still while a virtual machine is suspended, and the wall clock can be set back. */
function msSince(then: Moment): number {
  const { monotonicMs, wallMs } = thisMoment()
  return Math.max(monotonicMs - then.monotonicMs, wallMs - then.wallMs)
}

/** Where the process stands in the log, and who is told when it moves on. */
function createReader(connection: WatchedConnection, alarms: Alarms) {
  const followers = new Set<Follower>()
  let cursors: Cursors = new Map()
  let surroundings: Surroundings | undefined

  function handOn(polled: Polled): void {
    const rebuilt = surroundings !== undefined && surroundings.generation !== polled.surroundings.generation
    if (polled.kind === 'rewound') alarms.rewound(polled)
    if (polled.kind === 'rewound' || rebuilt)
      for (const follower of followers) follower.onReset(polled.kind === 'rewound' ? 'rewound' : 'rebuilt')
    if (polled.kind === 'forward' && polled.events.length > 0)
      for (const follower of followers) follower.onEvents(polled.events)
    // Last: should a follower fail, it is told again, and nobody is told that all has been handed on.
    cursors = polled.kind === 'forward' ? polled.cursors : polled.heads
    surroundings = polled.surroundings
  }

  return {
    /** Hands on what is new, a page at most, and gives the heads it saw. */
    async poll(deadline: number): Promise<Cursors> {
      const askedAt = Date.now()
      const rows = await connection.ask(poll(cursors), Math.max(1, deadline - performance.now()))
      const polled = readPoll(cursors, rows)
      if (polled.surroundings.isStandby) throw new Error('The database is a read-only standby')
      alarms.clock(askedAt, epochMsOf(polled.surroundings.databaseNow), Date.now())
      handOn(polled)
      return polled.heads
    },
    isBehind: (heads: Cursors) =>
      heads !== cursors && [...heads].some(([shard, head]) => (cursors.get(shard)?.position ?? 0n) < head.position),
    cursors: () => cursors,
    surroundings: () => surroundings,
    follow(follower: Follower) {
      followers.add(follower)
      return { stop: () => void followers.delete(follower) }
    },
  }
}

type Alarms = ReturnType<typeof createAlarms>

/** Each told once when it begins, and once when it ends. */
function createAlarms(log: BaseLogger) {
  let unreachable = false
  let apart = false
  return {
    unreachable(error: unknown): void {
      if (!unreachable) log.error({ err: error }, 'the log can not be read: verifications answer UNAVAILABLE')
      unreachable = true
    },
    reached(): void {
      if (unreachable) log.warn('the log is read again')
      unreachable = false
    },
    rewound({ shard, what }: Extract<Polled, { kind: 'rewound' }>): void {
      log.error(
        { shard, what },
        'HISTORY WAS REWOUND: the log is not the one that was read before (a restore, a failover that lost commits, or an ' +
          'edit). What was cached is dropped; verification goes on with what the log says now.',
      )
    },
    /** The database read its clock between asking and answer: only what neither end explains is an offset. */
    clock(askedAt: number, database: number, answeredAt: number): void {
      const offsetMs = Math.max(database - answeredAt, askedAt - database, 0)
      const tooFar = offsetMs > CLOCK_OFFSET_MAX_MS
      if (tooFar !== apart)
        log.warn({ offsetMs }, tooFar ? "the clock differs from the database's" : 'clocks agree again')
      apart = tooFar
    },
  }
}
