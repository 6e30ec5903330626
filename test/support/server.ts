// What the run's setup tells each test file about the server, and how both talk to it.
import pg from 'pg'

/** What a test file needs in order to clone the template. All JSON: it crosses into the worker. */
export type TestServer = {
  /** Of the superuser or owner, with the maintenance database. */
  readonly url: string
  readonly template: string
  /** Begins the names of this run's databases; no other run on the same server has it. */
  readonly prefix: string
  readonly servingUser: string
  readonly servingPassword: string
  /** The server outlives the run, so that a database may be left behind to be looked at. */
  readonly outlivesRun: boolean
}

declare module 'vitest' {
  interface ProvidedContext {
    testServer: TestServer
  }
}

/** The same server, another database and maybe another user. */
export function urlOf(server: string, database: string, user?: string, password?: string): string {
  const url = new URL(server)
  url.pathname = `/${database}`
  if (user !== undefined) url.username = user
  if (password !== undefined) url.password = password
  return url.href
}

/** Runs statements one by one over a connection of their own. */
export async function onServer(url: string, ...statements: readonly string[]): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    for (const statement of statements) await client.query(statement)
  } finally {
    await client.end()
  }
}
