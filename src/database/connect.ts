// Connections: one driver (pg), pipelined so that a command's statements travel together, and Kysely on top of the same pool.
import { CompiledQuery, Kysely, PostgresDialect } from 'kysely'
import pg from 'pg'
import type { Tables } from './tables.ts'
import { parseTimestamp } from './timestamps.ts'
import { UnavailableError } from './unavailable.ts'

export type ConnectionOptions = {
  readonly connection: pg.ConnectionConfig
  /** Named statements, parsed and planned once a connection. Off behind a pooler that can't keep them. */
  readonly prepared: boolean
  readonly poolSize: number
  /** Longest wait for a statement before its connection is given up; 0 for maintenance that may take its time. */
  readonly queryTimeoutMs: number
  readonly applicationName: string
  /** Told of a connection that broke while idle; the pool has already replaced it. */
  readonly onIdleError: (error: Error) => void
}

export type Database = {
  /** For reads: every statement on a connection of its own choosing. */
  readonly kysely: Kysely<Tables>
  readonly pool: pg.Pool
  /** A connection beside the pool, not connected yet, for whoever keeps one of their own; theirs to end. */
  newClient(): pg.Client
  close(): Promise<void>
}

/** One connection of the pool, held by whoever took it. */
export type Connection = pg.PoolClient

const TYPE_INT8 = 20
const TYPE_DATE = 1082
const TYPE_TIMESTAMPTZ = 1184

/** For serving: far above any statement of ours, far below a client's patience. */
export const SERVING_QUERY_TIMEOUT_MS = 15_000
/** How long a caller waits for a connection of the pool before the request fails. */
const CONNECT_TIMEOUT_MS = 5_000

export function connect(options: ConnectionOptions): Database {
  const Client = options.prepared ? NamedClient : FlightClient
  const config = {
    ...options.connection,
    application_name: options.applicationName,
    pipeline: true,
    query_timeout: options.queryTimeoutMs,
    types: { getTypeParser },
  }
  const pool = new BoundedPool({
    ...config,
    max: options.poolSize,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    Client,
  })
  pool.on('error', options.onIdleError)
  pool.on('connect', prepare)
  return {
    kysely: new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) }),
    pool,
    newClient() {
      const client = new Client(config)
      client.once('connect', () => prepare(client))
      return client
    },
    close: () => pool.end(),
  }
}

/** What waits behind so many others would wait for a second or so; whoever is told at once can come again. */
const WAITING_MAX = 500

/** Refuses rather than piling up: what waits here keeps a request, its memory and its client's patience. */
class BoundedPool extends pg.Pool {
  // With a callback or without, as pg's overloads are; those can't be restated here.
  override connect(...parameters: unknown[]): never {
    if (this.waitingCount < WAITING_MAX) return (super.connect as Query).apply(this, parameters)
    const error = new UnavailableError('Too much waits for the database')
    const [callback] = parameters
    return (typeof callback === 'function' ? callback(error) : Promise.reject(error)) as never
  }
}

function prepare(client: pg.ClientBase): void {
  // A connection that breaks while it is held, between two statements, would end the process if nobody listened: the pool
  // listens only to idle ones. Whoever holds it is told by the next statement.
  client.on('error', () => undefined)
  // Timestamps are read in this form; a server may be set to another. Poolers keep track of this setting. None of our statements is
  // worth compiling, and compiling one takes longer than all of them.
  client.query("SET DateStyle = 'ISO'; SET jit = off").catch(() => undefined)
  // Whoever gives a statement up closes the connection, which a backend that waits for a lock would not notice: where one table is
  // locked, those that nobody listens to any more would soon be all that the server has. By itself, as some systems don't have it.
  client.query("SET client_connection_check_interval = '1s'").catch(() => undefined)
}

function getTypeParser(oid: number, format?: 'text' | 'binary') {
  if (oid === TYPE_INT8) return BigInt
  if (oid === TYPE_TIMESTAMPTZ) return parseTimestamp
  // A day, `2026-03-01`, is not an instant, which is what pg would make of it.
  if (oid === TYPE_DATE) return String
  return pg.types.getTypeParser(oid, format as 'text')
}

/** Bounds what each connection remembers: statements whose text varies (lists of ids) must not pile up there. */
const NAMED_STATEMENTS_MAX = 500
const statementNames = new Map<string, string>()

function nameOf(text: string): string | undefined {
  let name = statementNames.get(text)
  if (name === undefined && statementNames.size < NAMED_STATEMENTS_MAX) {
    name = `keyledger_${statementNames.size}`
    statementNames.set(text, name)
  }
  return name
}

/** Every form of a query; pg's overloads can't be restated here. */
type Query = (...parameters: unknown[]) => never

/**
 * Writes what is asked for in one turn of the event loop to the socket in one go. pg writes each statement by itself, and
 * these system calls, and the server waking up for each, cost more than the statements do.
 */
class FlightClient extends pg.Client {
  #corked = false

  override query(...parameters: unknown[]): never {
    if (!this.#corked) {
      this.#corked = true
      const { stream } = this.connection
      stream.cork()
      process.nextTick(() => {
        this.#corked = false
        stream.uncork()
      })
    }
    return (super.query as Query).apply(this, parameters)
  }
}

/** Gives every parameterised statement a name, also those that Kysely sends. */
class NamedClient extends FlightClient {
  override query(...parameters: unknown[]): never {
    const [text, values] = parameters
    const send = super.query as Query
    if (typeof text !== 'string' || !Array.isArray(values) || values.length === 0) return send.apply(this, parameters)
    const name = nameOf(text)
    const config = name === undefined ? { text, values } : { name, text, values }
    return send.call(this, config, ...parameters.slice(2))
  }
}

/** A statement written as text; its rows are what the caller says they are. */
export function statement<Row>(text: string, parameters: readonly unknown[]): CompiledQuery<Row> {
  return CompiledQuery.raw(text, [...parameters]) as CompiledQuery<Row>
}

/** Sends a compiled statement: over any connection of a pool, or over one that the caller holds, where what is sent in one go shares a flight. */
export async function send<Row>(client: pg.ClientBase | pg.Pool, query: CompiledQuery<Row>): Promise<readonly Row[]> {
  const result = await client.query(query.sql, [...query.parameters])
  return result.rows as readonly Row[]
}
