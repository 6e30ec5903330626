// A connection of one's own, for what many wait for: the feed's polls, the loads of verification. What it says of itself is not
// believed: a link that is dead without having been closed looks like a slow one, so an answer that is late ends it.
import type { CompiledQuery } from 'kysely'
import type pg from 'pg'
import { type Database, send } from './connect.ts'
import { isUnavailable, UnavailableError } from './unavailable.ts'

export type WatchedConnection = {
  /**
   * Connects first where need be. Rejects with UnavailableError when there is no answer within that time, and begins anew the
   * next time; with PostgreSQL's own error where it says that what was asked is wrong.
   */
  ask<Row>(query: CompiledQuery<Row>, withinMs: number): Promise<readonly Row[]>
  /** For what nobody waits for: lost where there is no connection. */
  tell(query: CompiledQuery<never>): void
  close(): void
}

/** Answers that are waited for at once: each is soon late where there are so many. */
const ASKED_MAX = 100
/** A database that refuses connections is not asked for one by every request. */
const RETRY_AFTER_MS = 100

export type WatchedConnectionOptions = {
  /** Run once on each connection, before anything is asked over it. */
  readonly settle?: (client: pg.Client) => Promise<unknown>
  /** Each answer is waited for so long at least. For tests that are not about time, on machines that have none to spare. */
  readonly patienceMs?: number
}

export function watchedConnection(
  database: Database,
  { settle = async () => undefined, patienceMs = 0 }: WatchedConnectionOptions = {},
): WatchedConnection {
  let current: { readonly client: pg.Client; readonly ready: Promise<pg.Client> } | undefined
  let asked = 0
  let failed: { readonly error: unknown; readonly atMs: number } | undefined

  function open() {
    const client = database.newClient()
    const ready = client
      .connect()
      .then(() => settle(client))
      .then(() => client)
    const drop = () => {
      if (current?.client === client) current = undefined
    }
    client.on('error', drop)
    client.on('end', drop)
    ready.catch((error: unknown) => {
      failed = { error, atMs: performance.now() }
      drop()
      client.connection.stream.destroy()
    })
    return { client, ready }
  }

  async function connected(): Promise<pg.Client> {
    if (failed !== undefined && performance.now() - failed.atMs < RETRY_AFTER_MS) throw failed.error
    current ??= open()
    return current.ready
  }

  /** By its socket, at once, be it connected or not yet: a polite end would wait for the other side. */
  function abandon(): void {
    const abandoned = current
    current = undefined
    abandoned?.client.connection.stream.destroy()
  }

  return {
    async ask(query, answerMaxMs) {
      const withinMs = Math.max(answerMaxMs, patienceMs)
      if (asked >= ASKED_MAX) throw new UnavailableError('Too much waits for the database')
      asked += 1
      let timer: NodeJS.Timeout | undefined
      let isAnswered = false
      const late = new Promise<never>((_resolve, reject) => {
        timer = setTimeout(() => {
          // After a turn that took long the answer may be there, and only not read yet: that comes between timers and this.
          setImmediate(() => {
            if (isAnswered) return
            abandon()
            reject(new Error(`The database did not answer within ${withinMs} ms`))
          })
        }, withinMs)
      })
      const answer = connected().then((client) => send(client, query))
      answer.catch(() => undefined)
      try {
        return await Promise.race([answer, late]).catch(reject)
      } finally {
        isAnswered = true
        asked -= 1
        clearTimeout(timer)
      }
    },
    tell(query) {
      void current?.ready.then((client) => send(client, query)).catch(() => undefined)
    },
    close: abandon,
  }
}

/** What PostgreSQL itself finds wrong is a defect, and is not to look like a database that is away; all else is that it could not be asked. */
function reject(error: unknown): never {
  if (error instanceof Error && 'severity' in error && !isUnavailable(error)) throw error
  throw new UnavailableError('The database can not be asked now', { cause: error })
}
