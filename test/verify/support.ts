// What answers cost, and what the shortest of them says.
import { vi } from 'vitest'
import type { Database } from '#database/connect.ts'
import type { Instant } from '#domain/instant.ts'
import { verdictMessage } from '#domain/verdict.ts'
import type { Verification } from '#verify/verify-keys.ts'

export type Sent = { readonly text: string; readonly values: readonly unknown[] }

/** What `work` asks of the database: the statements that go over the pool, over whichever of its connections. */
export async function statementsOf(database: Database, work: () => Promise<unknown>): Promise<readonly Sent[]> {
  const query = vi.spyOn(database.pool, 'query')
  const connect = vi.spyOn(database.pool, 'connect')
  try {
    await work()
    // The pool itself takes a connection for each of them; a further one would be somebody else's.
    if (connect.mock.calls.length !== query.mock.calls.length) throw new Error('A connection was taken past the pool')
    return (query.mock.calls as unknown[][]).map(([text, values]) => ({
      text: String(text),
      values: Array.isArray(values) ? values : [],
    }))
  } finally {
    query.mockRestore()
    connect.mockRestore()
  }
}

/** All that is told of a secret that does not exist, or that is none of the caller's business. */
export const tellsNothing = (code: 'MALFORMED' | 'NOT_FOUND', checkedAt: Instant): Verification => ({
  valid: false,
  code,
  message: verdictMessage(code),
  checkedAt,
  position: null,
  accountId: null,
  keyspaceId: null,
  keyId: null,
  codeId: null,
  linkId: null,
  slot: null,
  name: null,
  owner: null,
  actsAs: null,
  tags: [],
  metadata: null,
  permissions: [],
  expiresAt: null,
  logging: null,
})
