// Pages against a naive model: whatever the order, the filter and the sizes of pages, walking a list from either end gives
// what sorting and filtering all rows gives. Rows share values and lack them, so that ties and nulls are met at every edge.
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { CodeTable, KeyTable } from '#database/tables.ts'
import { foldName } from '#domain/fold-name.ts'
import { isLive } from '#domain/key/code-status.ts'
import { type KeyStatus, keyStatus } from '#domain/key/key-status.ts'
import type { KeyFilter, KeyScope } from '#queries/key-filter.ts'
import { type KeyOrder, listKeys } from '#queries/keys.ts'
import type { Page } from '#queries/page.ts'
import type { Reader } from '#queries/reader.ts'
import { createTestDatabase, type TestDatabase } from '#test/support/database.ts'
import {
  codeRow,
  insertCodes,
  insertKeys,
  insertKeyUses,
  keyRow,
  type SeededAccount,
  seedAccount,
} from '#test/support/seed.ts'
import { testKeyring } from '#test/support/services.ts'

const NOW = '2026-06-01T00:00:00.000Z'
const DAYS = ['2026-05-01', '2026-05-31', '2026-06-01', '2026-06-02', '2026-07-01'].map((day) => `${day}T00:00:00.000Z`)
// Bytes of UTF-8 and units of UTF-16 sort the last two differently.
const NAMES = ['alpha', 'Alpha', 'ALPHA beta', '10%', 'a_b', 'a\\b', "o'brien", 'Ärger', '\u{ff5e}', '\u{1f511}']
const TAGS = ['x', 'y', 'z', '%']
const STATUSES: readonly KeyStatus[] = ['ACTIVE', 'DISABLED', 'EXPIRED', 'REVOKED', 'DELETED']

let database: TestDatabase
let reader: Reader
let account: SeededAccount
let keys: readonly KeyTable[]
let codes: readonly CodeTable[]
/** By the key's id. */
let lastUses: ReadonlyMap<string, string>

beforeAll(async () => {
  database = await createTestDatabase()
  reader = { database: database.serving, keyring: testKeyring('k1'), now: NOW, memberId: null }
  account = await seedAccount(database.owner, 1)
  const stranger = await seedAccount(database.owner, 17)
  // A fixed seed: rows are the same in every run, requests are not.
  const [made] = fc.sample(fc.array(arbitraryKey(), { minLength: 160, maxLength: 160 }), { numRuns: 1, seed: 4 })
  keys = (made ?? []).map((given, n) => keyRow(account, n, given(account)))
  codes = keys.flatMap((key, n) =>
    [1, 2, 3].slice(0, n % 4).map((ordinal) =>
      codeRow(key, ordinal, {
        hint: `key_${String(n % 3)}${String(n).padStart(7, '0')}0${ordinal}`,
        expires_at: DAYS[(n * ordinal) % 9] ?? null,
        replaced_at: (n + ordinal) % 4 === 0 ? NOW : null,
        deleted_at: (n + ordinal) % 5 === 0 ? NOW : null,
      }),
    ),
  )
  await insertKeys(database.owner, [...keys, ...[1_000, 1_001].map((n) => keyRow(stranger, n))])
  await insertCodes(database.owner, codes)
  const used = keys.flatMap((key, n) =>
    DAYS.filter((day) => day >= key.created_at)
      .slice(n % 4, (n % 4) + 1)
      .map((at) => ({ key, at })),
  )
  lastUses = new Map(used.map(({ key, at }) => [key.key_id, at]))
  await insertKeyUses(database.owner, used)
})
afterAll(() => database.drop())

function arbitraryKey(): fc.Arbitrary<(account: SeededAccount) => Partial<KeyTable>> {
  const maybe = fc.option(fc.constantFrom(...DAYS), { freq: 2 })
  return fc
    .record({
      name: fc.constantFrom(...NAMES),
      created_at: fc.constantFrom(...DAYS),
      expires_at: maybe,
      ended: fc.constantFrom('no', 'no', 'revoked', 'deleted'),
      enabled: fc.boolean(),
      tags: fc.subarray(TAGS),
      keyspace: fc.constantFrom('keyspaceId', 'keyspaceId', 'otherKeyspaceId', 'managementKeyspaceId'),
    })
    .map(({ keyspace, ended, ...given }) => (owner) => ({
      ...given,
      keyspace_id: owner[keyspace as 'keyspaceId'],
      // What is deleted has been revoked.
      revoked_at: ended === 'no' ? null : NOW,
      revoked_by_kind: ended === 'no' ? null : 'ROOT',
      revocation_reason: ended === 'no' ? null : 'UNSPECIFIED',
      deleted_at: ended === 'deleted' ? NOW : null,
    }))
}

function arbitraryFilter(): fc.Arbitrary<KeyFilter> {
  const { managementKeyspaceId, keyspaceId, otherKeyspaceId } = account
  return fc.record<KeyFilter>({
    keyspaceId: seldom(fc.constantFrom(managementKeyspaceId, keyspaceId, otherKeyspaceId)),
    statuses: fc.subarray([...STATUSES]),
    tags: seldom(fc.subarray(TAGS, { maxLength: 2 })),
    name: seldom(fc.constantFrom('a', 'ALPHA', 'b', '%', '_', '\\', "'", 'ä', '\u{1f511}', 'nobody')),
    hint: seldom(fc.constantFrom('k', 'key_', 'key_0', 'key_10', 'key_0000000301…', 'key_0000000301_x', 'x')),
    expiresBefore: seldom(fc.constantFrom(...DAYS)),
    unusedSince: seldom(fc.constantFrom(...DAYS)),
  })
}

/** So that combinations of filters do occur but seldom leave nothing. */
function seldom<T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> {
  return fc.oneof({ weight: 3, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary })
}

const arbitraryOrder: fc.Arbitrary<KeyOrder | null> = fc.option(
  fc.record({
    field: fc.constantFrom('CREATED_AT', 'NAME', 'EXPIRES_AT', 'LAST_USED_AT'),
    direction: fc.constantFrom('ASC', 'DESC'),
  }),
  { freq: 9 },
)

function matches(key: KeyTable, scope: KeyScope, filter: KeyFilter): boolean {
  const { keyspaceId, statuses, tags, name, hint, expiresBefore, unusedSince } = filter
  const standing = {
    enabled: key.enabled,
    expiresAt: key.expires_at,
    revokedAt: key.revoked_at,
    deletedAt: key.deleted_at,
  }
  const status = keyStatus(standing, NOW)
  const wanted = statuses?.length ? statuses : STATUSES.filter((each) => each !== 'DELETED')
  const own = codes.filter((code) => code.key_id === key.key_id)
  const head = hint?.replace('…', '')
  const isLiveNow = (code: CodeTable) =>
    isLive({ expiresAt: code.expires_at, replacedAt: code.replaced_at, deletedAt: code.deleted_at }, NOW)
  const soon = (at: string | null) => at !== null && expiresBefore != null && at < expiresBefore
  return (
    ('keyspaceId' in scope
      ? key.keyspace_id === scope.keyspaceId
      : keyspaceId != null || key.keyspace_id !== account.managementKeyspaceId) &&
    (keyspaceId == null || key.keyspace_id === keyspaceId) &&
    wanted.includes(status) &&
    (tags ?? []).every((tag) => key.tags.includes(tag)) &&
    (name == null || foldName(key.name).includes(foldName(name))) &&
    (head == null || own.some((code) => code.hint.startsWith(head) || head.startsWith(code.hint))) &&
    (unusedSince == null || (lastUses.get(key.key_id) ?? key.created_at) < unusedSince) &&
    (expiresBefore == null ||
      soon(key.expires_at) ||
      (key.revoked_at === null && own.some((code) => isLiveNow(code) && soon(code.expires_at))))
  )
}

function sorted(rows: readonly KeyTable[], { field, direction }: KeyOrder): readonly string[] {
  const placeOf = (key: KeyTable) =>
    ({
      CREATED_AT: key.created_at,
      NAME: key.name_folded,
      EXPIRES_AT: key.expires_at,
      LAST_USED_AT: lastUses.get(key.key_id) ?? null,
    })[field]
  // Of keys without a last use, the creation comes before the id.
  const tieOf = (key: KeyTable) => (field === 'LAST_USED_AT' && placeOf(key) === null ? key.created_at : '')
  const sign = direction === 'ASC' ? 1 : -1
  const bytes = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b))
  return rows
    .toSorted((a, b) => {
      const [left, right] = [placeOf(a), placeOf(b)]
      if ((left === null) !== (right === null)) return left === null ? 1 : -1
      return sign * (bytes(left ?? '', right ?? '') || bytes(tieOf(a), tieOf(b)) || bytes(a.key_id, b.key_id))
    })
    .map((row) => row.key_id)
}

const idsOf = (page: Page<KeyTable>) => page.edges.map(({ node }) => node.key_id)

test('walking a list forwards or backwards in pages of any size gives all of it, once, in order', {
  timeout: 30_000,
}, async () => {
  const sizes = fc.infiniteStream(fc.integer({ min: 1, max: 60 }))
  const inAccount = fc.constant<KeyScope>({ accountId: account.accountId })
  const inKeyspace = fc.constantFrom<KeyScope>(
    { keyspaceId: account.keyspaceId },
    { keyspaceId: account.managementKeyspaceId },
  )
  const found = new Set<number>()
  const property = fc.asyncProperty(
    fc.oneof(inAccount, inKeyspace),
    arbitraryFilter(),
    arbitraryOrder,
    sizes,
    async (scope, filter, order, size) => {
      const expected = sorted(
        keys.filter((key) => matches(key, scope, filter)),
        order ?? { field: 'CREATED_AT', direction: 'DESC' },
      )
      found.add(expected.length)
      const forwards: string[] = []
      for (let after: string | null = null, more = true; more; ) {
        const page: Page<KeyTable> = await listKeys(reader, scope, filter, order, { first: size.next().value, after })
        expect(page.pageInfo.hasPreviousPage).toBe(forwards.length > 0)
        forwards.push(...idsOf(page))
        after = page.pageInfo.endCursor
        more = page.pageInfo.hasNextPage
      }
      expect(forwards).toEqual(expected)
      const backwards: string[] = []
      for (let before: string | null = null, more = true; more; ) {
        const page: Page<KeyTable> = await listKeys(reader, scope, filter, order, { last: size.next().value, before })
        expect(page.pageInfo.hasNextPage).toBe(backwards.length > 0)
        backwards.unshift(...idsOf(page))
        before = page.pageInfo.startCursor
        more = page.pageInfo.hasPreviousPage
        if (!more) expect(await page.totalCount()).toBe(expected.length)
      }
      expect(backwards).toEqual(expected)
    },
  )
  await fc.assert(property, { numRuns: 150 })
  // Or the filters would be too narrow for the walks to mean anything.
  expect(found.size).toBeGreaterThan(20)
})
