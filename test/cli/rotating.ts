// `keyledger rotate-secrets` as a process of its own, under the secrets that testKeyring makes.
import type { TestDatabase } from '#test/support/database.ts'
import { keyledger, type Running } from '#test/support/process.ts'

/** What testKeyring makes, as an operator configures it. */
export function textOf(...ids: readonly string[]): string {
  return ids.map((id) => `${id}:${Buffer.alloc(32, id).toString('base64')}`).join(',')
}

export function rotateSecrets(database: TestDatabase, ...ids: readonly string[]): Running {
  return keyledger(['rotate-secrets'], {
    DATABASE_URL: database.connection.connectionString,
    KEYLEDGER_SECRETS: textOf(...ids),
    LOG_LEVEL: 'warn',
  })
}
