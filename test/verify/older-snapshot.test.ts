// A database that answers loads and is behind the one that the feed follows: a standby behind a pooler, or a primary of before.
import { expect, test } from 'vitest'
import { newKeyringText, parseKeyring } from '#secret/keyring.ts'
import { createCodeFinder } from '#verify/code-finder.ts'
import { deadlineIn } from '#verify/deadline.ts'
import { createKeyspaceFinder } from '#verify/keyspace-finder.ts'
import { createUserFinder } from '#verify/user-finder.ts'

const parsed = parseKeyring(newKeyringText())
if (!parsed.ok) throw new Error(parsed.problems.join())
const { keyring } = parsed

const feed = {
  cursors: () => new Map([[0, { position: 10n, eventId: 'evt' }]]),
  surroundings: () => undefined,
  follow: () => ({ stop: () => undefined }),
  catchUp: async () => undefined,
  ageMs: () => 0,
  committed: () => undefined,
  stop: async () => undefined,
}
const NOTHING_FOUND = { generation: 1n, shards: [0], question: null, account_id: null, userId: null }

/** Answers with a snapshot of so far. */
function loadingUpTo(head: bigint) {
  const rows: readonly object[] = [{ ...NOTHING_FOUND, heads: [head] }]
  return { ask: async <Row>() => rows as readonly Row[] }
}

test('is not believed of codes', async () => {
  const finderUpTo = (head: bigint) => createCodeFinder({ loading: loadingUpTo(head), keyring, feed, cacheCodes: 10 })
  const presented = { secret: 'somebody-s-own-secret', place: null }
  expect(await finderUpTo(10n).find(presented, deadlineIn(1_000))).toEqual([])
  await expect(async () => finderUpTo(9n).find(presented, deadlineIn(1_000))).rejects.toThrow('older than the feed')
})

test('is not believed of keyspaces', async () => {
  const finderUpTo = (head: bigint) => createKeyspaceFinder({ loading: loadingUpTo(head), feed })
  const keyspaceId = 'ks_00BAeuIzIGLiPeMDJaDe1Q'
  expect(await finderUpTo(10n).find(keyspaceId, deadlineIn(1_000))).toBeUndefined()
  await expect(finderUpTo(9n).find(keyspaceId, deadlineIn(1_000))).rejects.toThrow('older than the feed')
})

test('is not believed of users', async () => {
  const finderUpTo = (head: bigint) => createUserFinder({ loading: loadingUpTo(head), keyring, feed })
  const accountId = 'acct_00BAeuIzIGLiPeMDJaDe1Q'
  expect(await finderUpTo(10n).find(accountId, 'ada@example.org', deadlineIn(1_000))).toBeUndefined()
  await expect(finderUpTo(9n).find(accountId, 'ada@example.org', deadlineIn(1_000))).rejects.toThrow(
    'older than the feed',
  )
})
