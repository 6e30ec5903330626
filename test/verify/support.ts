// What answers cost, and what the shortest of them says.
import pg from 'pg'
import { vi } from 'vitest'
import type { Instant } from '#domain/instant.ts'
import { verdictMessage } from '#domain/verdict.ts'
import type { Verification } from '#verify/verify-keys.ts'

export type Sent = { readonly text: string; readonly values: readonly unknown[] }

/** Of the feed, which looks and hints whenever it likes, and of a connection that has just been made. */
const NOT_OF_THE_WORK = /^\s*(WITH moved|SELECT set_config|LISTEN|SET DateStyle)/

/** What `work` asks of the database, over whichever connection, beside the polls of the feed: what is not known yet, then. */
export async function statementsOf(work: () => Promise<unknown>): Promise<readonly Sent[]> {
  const query = vi.spyOn(pg.Client.prototype, 'query')
  try {
    await work()
    return query.mock.calls.map(sentBy).filter(({ text }) => !NOT_OF_THE_WORK.test(text))
  } finally {
    query.mockRestore()
  }
}

function sentBy([first, second]: readonly unknown[]): Sent {
  if (typeof first === 'string') return { text: first, values: Array.isArray(second) ? second : [] }
  const { text, values = [] } = first as { readonly text: string; readonly values?: readonly unknown[] }
  return { text, values }
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
