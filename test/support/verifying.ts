// What verification follows the log with, made when it is first used: most tests of commands never verify.
import { pino } from 'pino'
import type { Database } from '#database/connect.ts'
import { type WatchedConnection, watchedConnection } from '#database/watched-connection.ts'
import { type Feed, startFeed } from '#log/feed.ts'
import type { Keyring } from '#secret/keyring.ts'
import { createCodeFinder } from '#verify/code-finder.ts'
import { createKeyspaceFinder } from '#verify/keyspace-finder.ts'
import { createUserFinder } from '#verify/user-finder.ts'
import { type VerifyingServices, WAITS_MAX_MS } from '#verify/view.ts'

type Verifying = Pick<
  VerifyingServices,
  'feed' | 'codes' | 'keyspaces' | 'users' | 'subscribers' | 'stalenessMs' | 'waitsMaxMs' | 'committed'
>

/** Ends with the process: its connections are cut off when the database is dropped. */
export function testVerifying(database: Database, keyring: Keyring, patienceMs: number): Verifying {
  let started: Feed | undefined
  const real = () => {
    started ??= startFeed({ database, log: pino({ level: 'silent' }), patienceMs })
    return started
  }
  const feed: Feed = {
    catchUp: () => real().catchUp(),
    ageMs: () => real().ageMs(),
    cursors: () => real().cursors(),
    surroundings: () => real().surroundings(),
    follow: (follower) => real().follow(follower),
    committed: () => started?.committed(),
    stop: async () => started?.stop(),
  }
  let connection: WatchedConnection | undefined
  const loading: Pick<WatchedConnection, 'ask'> = {
    ask(query, withinMs) {
      connection ??= watchedConnection(database, { patienceMs })
      return connection.ask(query, withinMs)
    },
  }
  let finder: VerifyingServices['codes'] | undefined
  const codes: VerifyingServices['codes'] = {
    find(...asked) {
      finder ??= createCodeFinder({ loading, keyring, feed: real(), cacheCodes: 1_000 })
      return finder.find(...asked)
    },
    stop: () => finder?.stop(),
  }
  let keyspaceFinder: VerifyingServices['keyspaces'] | undefined
  const keyspaces: VerifyingServices['keyspaces'] = {
    find(...asked) {
      keyspaceFinder ??= createKeyspaceFinder({ loading, feed: real() })
      return keyspaceFinder.find(...asked)
    },
    stop: () => keyspaceFinder?.stop(),
  }
  let userFinder: VerifyingServices['users'] | undefined
  const users: VerifyingServices['users'] = {
    find(...whom) {
      userFinder ??= createUserFinder({ loading, keyring, feed: real() })
      return userFinder.find(...whom)
    },
    stop: () => userFinder?.stop(),
  }
  // Nobody subscribes but over HTTP.
  const subscribers: VerifyingServices['subscribers'] = {
    join: () => 'stopping',
    read: async () => [],
    stop: () => undefined,
  }
  const waitsMaxMs = Math.max(WAITS_MAX_MS, patienceMs)
  return { feed, codes, keyspaces, users, subscribers, stalenessMs: 2_000, waitsMaxMs, committed: feed.committed }
}
