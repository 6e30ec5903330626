// What the database does for a list of a large account: which index it uses, and how much of the table it looks at. These
// fail where a list would become slow with the number of keys, long before anybody could measure it.
import type { CompiledQuery } from 'kysely'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { USERS_WITHOUT } from '#commands/fill-default-keys.ts'
import { HOLDINGS } from '#commands/forget-accesses.ts'
import { KEYS_NOT_FROZEN } from '#commands/freeze-keys.ts'
import { KEYS_OF_USER } from '#commands/remove-user.ts'
import { KEYS_CONCERNED } from '#commands/standing.ts'
import { LINKS_CONCERNED } from '#commands/stops.ts'
import { send } from '#database/connect.ts'
import type { KeyTable } from '#database/tables.ts'
import { encodeCursor } from '#queries/cursor.ts'
import { findDefaultKey } from '#queries/default-keys.ts'
import { ENDED_OVERLAPS } from '#queries/ended-overlaps.ts'
import { listEvents } from '#queries/event-search.ts'
import type { EventFilter, EventScope } from '#queries/events.ts'
import { readEventsAfter } from '#queries/events-after.ts'
import type { KeyFilter, KeyScope } from '#queries/key-filter.ts'
import { type KeyOrder as AnyKeyOrder, listKeys } from '#queries/keys.ts'
import { createLoaders } from '#queries/loaders.ts'
import type { PageRequest } from '#queries/page.ts'
import { PERSONAL_NAMES } from '#queries/personal-names.ts'
import type { Reader } from '#queries/reader.ts'
import type { UserRow } from '#queries/users.ts'
import { createTestDatabase, type TestDatabase } from '#test/support/database.ts'
import {
  blocksOf,
  indexesOf,
  type PlanNode,
  planFor,
  planForAny,
  sentBy,
  seqScansOf,
  sortsOf,
} from '#test/support/explain.ts'
import { type SeededAccount, seedAccount, seedEvents, seedId, seedKeyUses, seedManyKeys } from '#test/support/seed.ts'
import { testKeyring } from '#test/support/services.ts'

const KEYS = 100_000
const EVENTS = 50_000
const FROM = '2026-01-01T00:00:00.000Z'

let database: TestDatabase
let reader: Reader
let account: SeededAccount

beforeAll(async () => {
  database = await createTestDatabase()
  reader = { database: database.serving, keyring: testKeyring('k1'), now: '2026-06-01T00:00:00.000Z', memberId: null }
  account = await seedAccount(database.owner, 1)
  await seedManyKeys(database.owner, account, KEYS)
  await seedKeyUses(database.owner, account)
  // A few overlaps, of which half have ended.
  await database.owner.pool.query(
    `UPDATE state.code SET replaced_at = '2026-05-01', overlap_ends_at = '2026-05-31'::timestamptz + (ordinal_of.n % 2) * interval '9 days'
       FROM (SELECT code_id AS id, row_number() OVER () AS n FROM state.code WHERE account_id = $1 LIMIT 40) AS ordinal_of
      WHERE code_id = ordinal_of.id`,
    [account.accountId],
  )
  await database.owner.pool.query('ANALYZE state.code')
}, 300_000)
afterAll(() => database.drop())

/** The plans of what is sent for a list: for its values and, where the statement is named, for any. */
async function plansOf(work: () => Promise<unknown>): Promise<readonly PlanNode[]> {
  const plans: PlanNode[] = []
  for (const statement of await sentBy(work)) {
    plans.push(await planFor(database.owner, statement))
    const general = statement.name === undefined ? undefined : await planForAny(database.owner, statement)
    if (general !== undefined) plans.push(general)
  }
  expect(plans).not.toEqual([])
  return plans
}

type KeyOrder = AnyKeyOrder & { readonly field: Exclude<AnyKeyOrder['field'], 'LAST_USED_AT'> }

const COLUMNS = { CREATED_AT: 'created_at', NAME: 'name_folded', EXPIRES_AT: 'expires_at' } as const
const INDEXES = { CREATED_AT: 'creation', NAME: 'name', EXPIRES_AT: 'expiry' } as const
const ORDERS = (['CREATED_AT', 'NAME', 'EXPIRES_AT'] as const).flatMap((field) =>
  (['ASC', 'DESC'] as const).map((direction): KeyOrder => ({ field, direction })),
)

/** A page from the middle of what the keyspace has in this order; of keys with a value, where some have none. */
async function cursorInside(scope: KeyScope, { field, direction }: KeyOrder): Promise<string> {
  const column = COLUMNS[field]
  const rows = await database.owner.kysely
    .selectFrom('state.key')
    .selectAll()
    .where('keyspace_id', '=', account.keyspaceId)
    .where('deleted_at', 'is', null)
    .where(column, 'is not', null)
    .orderBy(column, direction === 'ASC' ? 'asc' : 'desc')
    .offset(20_000)
    .limit(1)
    .execute()
  const [row] = rows as [KeyTable]
  const scopeId = 'accountId' in scope ? scope.accountId : scope.keyspaceId
  return encodeCursor(['keys', scopeId, `${field} ${direction}`], [row[column], row.key_id])
}

describe('a list of 100 000 keys', () => {
  describe.each(['account', 'keyspace'] as const)('of one %s', (kind) => {
    test.each(ORDERS)('by $field $direction is read in the order of its index, wherever a page lies', async (order) => {
      const scope = kind === 'account' ? { accountId: account.accountId } : { keyspaceId: account.keyspaceId }
      const cursor = await cursorInside(scope, order)
      const requests: readonly PageRequest[] = [
        {},
        { first: 100, after: cursor },
        { last: 100 },
        { last: 10, before: cursor },
      ]
      for (const request of requests)
        for (const plan of await plansOf(() => listKeys(reader, scope, {}, order, request))) {
          const others = ['account_pkey', 'keyspace_pkey']
          expect(indexesOf(plan).filter((index) => !others.includes(index))).toEqual([
            `key_of_${kind}_by_${INDEXES[order.field]}`,
          ])
          expect(seqScansOf(plan)).toEqual([])
          expect(sortsOf(plan)).toEqual([])
          // 101 rows lie in so many pages at worst, and in twice as many where keys without the value are a part.
          expect(blocksOf(plan)).toBeLessThan(300)
        }
    })
  })

  test('has indexes of its own for deleted ones, in every order', async () => {
    const scope = { accountId: account.accountId }
    for (const order of ORDERS)
      for (const plan of await plansOf(() => listKeys(reader, scope, { statuses: ['DELETED'] }, order, {}))) {
        expect(indexesOf(plan)).toContain(`deleted_key_of_account_by_${INDEXES[order.field]}`)
        expect(seqScansOf(plan)).toEqual([])
        expect(sortsOf(plan)).toEqual([])
        expect(blocksOf(plan)).toBeLessThan(300)
      }
  })

  // What a filter leaves has to be sorted, being in the order of another index; it is little.
  const selective: readonly [string, KeyFilter, readonly RegExp[], number][] = [
    ['a rare tag', { tags: ['rare-77'] }, [/^key_by_tag$/], 200],
    ['a policy of few', { policyId: seedId('pol', 1, 1) }, [/^key_by_policy$/], 200],
    ['an owner of few', { ownerId: seedId('usr', 1, 1) }, [/^key_by_owner$/], 200],
    ['two tags', { tags: ['common', 'rare-77'] }, [/^key_by_tag$/], 200],
    ['a hint', { hint: 'bss_0123456789' }, [/^code_by_hint$/], 200],
    ['a pasted secret', { hint: `bss_0123456789_${'A'.repeat(38)}` }, [/^code_by_hint$/], 200],
    ['the head of a hint', { hint: 'bss_0a1…' }, [/^code_by_hint$/, /^key_pkey$/], 1_000],
    ['an open rotation', { rotationOpen: true }, [/^code_by_overlap$/, /^key_pkey$/], 1_000],
    [
      'an early expiry',
      { expiresBefore: '2024-02-20T00:00:00.000Z' },
      [/^key_of_.+_by_expiry$/, /^code_by_expiry$/],
      2_000,
    ],
  ]
  test.each(selective)('is filtered by %s through its index', async (_, filter, expected, blocks) => {
    for (const scope of [{ accountId: account.accountId }, { keyspaceId: account.keyspaceId }])
      for (const order of ORDERS) {
        const plans = await plansOf(() => listKeys(reader, scope, filter, order, {}))
        for (const plan of plans) {
          for (const index of expected) expect(indexesOf(plan)).toContainEqual(expect.stringMatching(index))
          expect(seqScansOf(plan)).toEqual([])
          expect(blocksOf(plan)).toBeLessThan(blocks)
        }
      }
  })

  test('by expiry looks neither at codes that have expired already nor at keys that never do', async () => {
    const late: Reader = { ...reader, now: '2027-06-01T00:00:00.000Z' }
    const soon = { expiresBefore: '2027-06-03T00:00:00.000Z', statuses: ['ACTIVE' as const] }
    for (const plan of await plansOf(() => listKeys(late, { accountId: account.accountId }, soon, null, {}))) {
      expect(indexesOf(plan)).toContain('code_by_expiry')
      expect(seqScansOf(plan)).toEqual([])
      expect(blocksOf(plan)).toBeLessThan(4_000)
    }
  })

  test('of one owner is read in the order of an index of their own, be they few or many', async () => {
    for (const n of [1, 2]) {
      const scope = { accountId: account.accountId, ownerId: seedId('usr', 1, n) }
      for (const plan of await plansOf(() => listKeys(reader, scope, {}, null, {}))) {
        expect(indexesOf(plan)).toEqual(['key_by_owner'])
        expect(seqScansOf(plan)).toEqual([])
        expect(sortsOf(plan)).toEqual([])
        expect(blocksOf(plan)).toBeLessThan(300)
      }
    }
  })

  test('as a member sees it is read through the index of owners, of which it is sorted where it is short', async () => {
    await database.owner.pool.query(
      `UPDATE state.keyspace SET rules = rules || '{"managedBy": "OWNERS"}' WHERE keyspace_id = $1`,
      [account.keyspaceId],
    )
    for (const n of [1, 2])
      for (const order of ORDERS) {
        const theirs = { ...reader, memberId: seedId('usr', 1, n) }
        const keys = () => listKeys(theirs, { keyspaceId: account.keyspaceId }, {}, order, {})
        for (const plan of await plansOf(keys)) {
          if (n === 1) expect(indexesOf(plan)).toContain('key_by_owner')
          else expect(sortsOf(plan)).toEqual([])
          expect(blocksOf(plan)).toBeLessThan(3_000)
        }
      }
  })

  test('by codes that expire soon costs no look-up for each key: the oldest have them, and the newest come first', async () => {
    const filter = { expiresBefore: '2027-03-01T00:00:00.000Z' }
    for (const plan of await plansOf(() => listKeys(reader, { accountId: account.accountId }, filter, null, {})))
      expect(blocksOf(plan)).toBeLessThan(KEYS)
  })

  test('is walked in its order where a filter lets much through', async () => {
    const scope = { accountId: account.accountId }
    const filters: readonly KeyFilter[] = [
      { tags: ['common'] },
      { hint: 'bss_' },
      { statuses: ['ACTIVE'] },
      { name: 'service' },
      { policyId: seedId('pol', 1, 2) },
      { ownerId: seedId('usr', 1, 2) },
    ]
    for (const filter of filters)
      for (const order of ORDERS)
        for (const plan of await plansOf(() => listKeys(reader, scope, filter, order, {}))) {
          const inOrder = [`key_of_account_by_${INDEXES[order.field]}`]
          // An owner's keys are in the order of their creation in an index of their own.
          if (filter.ownerId !== undefined && order.field === 'CREATED_AT') inOrder.push('key_by_owner')
          expect(indexesOf(plan).filter((index) => inOrder.includes(index))).not.toEqual([])
          expect(seqScansOf(plan)).toEqual([])
          expect(sortsOf(plan)).toEqual([])
          expect(blocksOf(plan)).toBeLessThan(3_000)
        }
  })

  describe('by last use', () => {
    const BY_USE = (['ASC', 'DESC'] as const).map((direction): AnyKeyOrder => ({ field: 'LAST_USED_AT', direction }))

    test.each(BY_USE)('$direction is read in the order of the index of uses, wherever a page lies', async (order) => {
      for (const kind of ['account', 'keyspace'] as const) {
        const scope = kind === 'account' ? { accountId: account.accountId } : { keyspaceId: account.keyspaceId }
        const scopeId = kind === 'account' ? account.accountId : account.keyspaceId
        const [used] = (
          await database.owner.pool.query<{ last_used_at: string; key_id: string }>(
            'SELECT last_used_at, key_id FROM usage.key_use WHERE keyspace_id = $1 ORDER BY 1 OFFSET 20000 LIMIT 1',
            [account.keyspaceId],
          )
        ).rows
        const cursor = encodeCursor(
          ['keys', scopeId, `${order.field} ${order.direction}`],
          [used?.last_used_at ?? null, FROM, used?.key_id ?? ''],
        )
        for (const request of [{}, { first: 100, after: cursor }, { last: 10, before: cursor }])
          for (const plan of await plansOf(() => listKeys(reader, scope, {}, order, request))) {
            const others = ['account_pkey', 'keyspace_pkey', 'key_pkey']
            expect(indexesOf(plan).filter((index) => !others.includes(index))).toEqual([`key_use_of_${kind}`])
            expect(seqScansOf(plan)).toEqual([])
            expect(sortsOf(plan)).toEqual([])
            // A look-up of four pages for each key, of which a tenth is deleted.
            expect(blocksOf(plan)).toBeLessThan(1_000)
          }
      }
    })

    test.each(BY_USE)('$direction has those never used at its end, in the order of their creation', async (order) => {
      const scope = { accountId: account.accountId }
      const cursor = encodeCursor(
        ['keys', account.accountId, `${order.field} ${order.direction}`],
        [null, '2025-01-01T00:00:00.000Z', 'key_'],
      )
      for (const request of [{ last: 50 }, { first: 50, after: cursor }])
        for (const plan of await plansOf(() => listKeys(reader, scope, {}, order, request))) {
          expect(indexesOf(plan)).toContain('key_of_account_by_creation')
          expect(seqScansOf(plan)).toEqual([])
          expect(sortsOf(plan)).toEqual([])
          expect(blocksOf(plan)).toBeLessThan(3_000)
        }
    })

    test('a filter for long unused ones costs little where there are many, and never a look-up for each key', async () => {
      const scope = { accountId: account.accountId }
      for (const order of [...ORDERS, ...BY_USE])
        for (const [unusedSince, blocks] of [
          ['2025-06-01T00:00:00.000Z', 5_000],
          ['2024-02-01T00:00:00.000Z', KEYS / 4],
        ] as const)
          for (const plan of await plansOf(() => listKeys(reader, scope, { unusedSince }, order, {}))) {
            expect(seqScansOf(plan)).toEqual([])
            expect(blocksOf(plan), `${unusedSince} ${order.field} ${order.direction}`).toBeLessThan(blocks)
          }
    })
  })

  test("of another account's keyspace is not looked at", async () => {
    const stranger = await seedAccount(database.owner, 17)
    const listing = () =>
      listKeys(reader, { accountId: stranger.accountId }, { keyspaceId: account.keyspaceId }, null, {})
    for (const plan of await plansOf(listing)) expect(blocksOf(plan)).toBeLessThan(20)
  })
})

describe('loads by id', () => {
  test('look things up, however many ids', async () => {
    const { rows } = await database.owner.pool.query<{ key_id: string }>('SELECT key_id FROM state.key LIMIT 100')
    const loaders = createLoaders(reader, { kind: 'ROOT' })
    const plans = await plansOf(() =>
      Promise.all(
        rows.flatMap(({ key_id: id }) => [
          loaders.key.load(id),
          loaders.codesOfKey.load(id),
          loaders.retiredCodesOfKey.load(id),
        ]),
      ),
    )
    expect(new Set(plans.flatMap(indexesOf))).toEqual(new Set(['key_pkey', 'code_by_slot', 'code_ordinal_key']))
    for (const plan of plans) {
      expect(seqScansOf(plan)).toEqual([])
      expect(blocksOf(plan)).toBeLessThan(3_000)
    }
  })

  test('find the open rotations of a page of keys by their codes', async () => {
    const { rows } = await database.owner.pool.query<{ key_id: string }>('SELECT key_id FROM state.key LIMIT 100')
    const loaders = createLoaders(reader, { kind: 'ROOT' })
    for (const plan of await plansOf(() => Promise.all(rows.map(({ key_id: id }) => loaders.openRotations.load(id))))) {
      expect(seqScansOf(plan).filter((table) => table !== 'rotation')).toEqual([])
      expect(blocksOf(plan)).toBeLessThan(1_000)
    }
  })

  test('count active keys in an index of them', async () => {
    const plans = await plansOf(() =>
      createLoaders(reader, { kind: 'ROOT' }).activeKeyCount.load(account.otherKeyspaceId),
    )
    for (const plan of plans) expect(indexesOf(plan)).toContain('key_active')
  })
})

describe('of users', () => {
  const userId = seedId('usr', 1, 1)
  const lookup = async (text: string, values: readonly unknown[]) => {
    const statement = { text, values }
    const any = await planForAny(database.owner, statement)
    return [await planFor(database.owner, statement), ...(any === undefined ? [] : [any])]
  }

  test('the default key is looked up, in the index that keeps it one', async () => {
    const user = { user_id: userId, shard: 1 } as UserRow
    for (const plan of await plansOf(() => findDefaultKey(reader, user, account.keyspaceId))) {
      expect(indexesOf(plan)).toContain('key_default')
      expect(blocksOf(plan)).toBeLessThan(10)
    }
  })

  test('what goes with one who is removed is looked up, by owner and by who it acts as', async () => {
    for (const plan of await lookup(KEYS_OF_USER, [1, userId, 10_001])) {
      expect(indexesOf(plan)).toEqual(['key_by_acts_as', 'key_by_owner'])
      expect(seqScansOf(plan)).toEqual([])
      expect(blocksOf(plan)).toBeLessThan(200)
    }
  })

  test('those without a default key are found without looking at other keys', async () => {
    const values = [1, account.keyspaceId, account.accountId, '-infinity', '', 200]
    for (const plan of await lookup(USERS_WITHOUT, values)) {
      expect(indexesOf(plan)).toContain('key_default')
      expect(seqScansOf(plan)).toEqual([])
      expect(blocksOf(plan)).toBeLessThan(100)
    }
  })
})

test('whom a change would concern is found by what changes: policies, users, links', async () => {
  const now = '2026-06-01T00:00:00.000Z'
  const asked = [
    { text: KEYS_CONCERNED, values: [1, account.accountId, [seedId('pol', 1, 999)], [], [], now, 10_001] },
    { text: KEYS_CONCERNED, values: [1, account.accountId, [], [seedId('usr', 1, 999)], [], now, 10_001] },
    { text: LINKS_CONCERNED, values: [1, account.accountId, [seedId('lnk', 1, 999)], [], [], 10_001] },
  ]
  for (const statement of asked) {
    const plan = await planFor(database.owner, statement)
    expect(seqScansOf(plan)).toEqual([])
    expect(blocksOf(plan)).toBeLessThan(100)
  }
})

test('keys that are not frozen are found in an index of them, which has none where all are', async () => {
  const statement = { text: KEYS_NOT_FROZEN, values: [1, account.keyspaceId, seedId('key', 1, 5_000), 200] }
  for (const plan of [await planFor(database.owner, statement), await planForAny(database.owner, statement)]) {
    if (plan === undefined) continue
    expect(indexesOf(plan)).toEqual(['key_not_frozen'])
    expect(sortsOf(plan)).toEqual([])
    expect(blocksOf(plan)).toBeLessThan(400)
  }
})

test('a presented secret is looked up by its digests', async () => {
  const text = 'SELECT * FROM state.code WHERE digest = ANY ($1::bytea[])'
  const statement = { text, values: [[Buffer.alloc(32, 1), Buffer.alloc(32, 2)]] }
  for (const plan of [await planFor(database.owner, statement), await planForAny(database.owner, statement)]) {
    if (plan === undefined) continue
    expect(indexesOf(plan)).toEqual(['code_by_digest'])
    expect(blocksOf(plan)).toBeLessThan(10)
  }
})

describe('a list of 50 000 events', () => {
  const streamIds = Array.from({ length: 1_000 }, (_, n) => seedId('key', 1, n))
  const [subjectId = ''] = streamIds
  beforeAll(async () => {
    await seedEvents(database.owner, account, {
      from: FROM,
      count: EVENTS,
      streamIds,
      types: ['key.created', 'key.updated'],
    })
  }, 300_000)

  test.each<[string, (accountId: string) => EventScope, EventFilter, string]>([
    ['of an account', (accountId) => ({ accountId }), {}, 'event_account_position_key'],
    [
      'between instants',
      (accountId) => ({ accountId }),
      { since: '2026-01-01T13:00:00.000Z', until: '2026-01-01T13:00:20.000Z' },
      'event_account_position_key',
    ],
    ['of a subject', () => ({ subjectId }), {}, 'event_stream_version_key'],
    ['of a subject in an account', (accountId) => ({ accountId }), { subjectId }, 'event_stream_version_key'],
  ])('%s is read in order from its index', async (_, scopeOf, filter, index) => {
    const scope = scopeOf(account.accountId)
    const place = 'subjectId' in scope ? 'version' : 'position'
    const inside = encodeCursor(
      ['events', 'subjectId' in scope ? subjectId : account.accountId, place],
      ['subjectId' in scope ? '25' : '25000'],
    )
    for (const request of [{}, { last: 100 }, { first: 100, after: inside }, { last: 100, before: inside }])
      for (const plan of await plansOf(() => listEvents(reader, scope, filter, request))) {
        expect(indexesOf(plan).filter((name) => name !== 'account_pkey')).toEqual([index])
        expect(seqScansOf(plan)).toEqual([])
        expect(sortsOf(plan)).toEqual([])
        expect(blocksOf(plan)).toBeLessThan(300)
      }
  })

  test.each<[string, readonly string[] | null, number]>([
    ['all', null, 100],
    ['of a type that there is', ['key.updated'], 200],
    ['of no type that there is, as far as one statement looks', ['nothing'], 1_000],
  ])(
    'what follows a position, %s, is read by an index of positions, a page or a bounded stretch of it',
    async (_, types, blocks) => {
      const read = <Row>(query: CompiledQuery<Row>) => send(database.serving.pool, query)
      for (const after of [0n, 25_000n, 49_990n])
        for (const plan of await plansOf(() => readEventsAfter(read, account.accountId, after, types))) {
          const [others] = indexesOf(plan).filter((name) => name !== 'account_pkey')
          expect(
            types === null ? ['event_account_position_key'] : ['event_account_position_key', 'event_by_type'],
          ).toContain(others)
          expect(seqScansOf(plan)).toEqual([])
          expect(blocksOf(plan)).toBeLessThan(blocks)
        }
    },
  )
})

describe('what is looked for among 50 000 events of an account', () => {
  // Who acted says of which type it was, and one type is rare: what planners, who take conditions for independent, go wrong on.
  const TYPES = [
    'key.created',
    'key.updated',
    'code.issued',
    'key.rotated',
    'key.enabled',
    'key.disabled',
    'key.revoked',
  ]
  const RARE = 'key.deleted'
  let other: SeededAccount
  beforeAll(async () => {
    other = await seedAccount(database.owner, 2)
    const types = Array.from({ length: 7_000 }, (_, n) => (n === 6_999 ? RARE : (TYPES[n % 7] ?? '')))
    const streamIds = Array.from({ length: 1_000 }, (_, n) => seedId('key', 2, n))
    const ownerIds = Array.from({ length: 1_000 }, (_, n) => seedId('usr', 2, n))
    await seedEvents(database.owner, other, { from: FROM, count: EVENTS, streamIds, types, ownerIds })
    await database.owner.pool.query('VACUUM (ANALYZE) log.event')
  }, 300_000)

  const since = '2026-01-01T10:00:00.000Z'
  const until = '2026-01-01T10:00:30.000Z'
  const inDetail: readonly [string, EventFilter, string, number][] = [
    ['a type', { types: ['key.updated'] }, 'event_by_type', 700],
    ['a rare type', { types: [RARE] }, 'event_by_type', 700],
    ['a type that there is not', { types: ['policy.deleted'] }, 'event_by_type', 30],
    ['all types by name', { types: [...TYPES, RARE] }, 'event_by_type', 1_000],
    ['a type since an instant', { types: ['key.updated'], since }, 'event_by_type', 900],
    ['a type between instants', { types: ['key.updated'], since, until }, 'event_by_type', 900],
    ['an actor', { actorId: 'key_3' }, 'event_by_actor', 700],
    ['an actor until an instant', { actorId: 'key_3', until }, 'event_by_actor', 900],
    ['an actor who never acted', { actorId: 'key_9' }, 'event_by_actor', 30],
    ['an actor and a type of theirs', { actorId: 'key_3', types: ['key.rotated'] }, 'event_by_actor', 700],
    ['an actor and a type of others', { actorId: 'key_3', types: ['key.created', RARE] }, 'event_by_actor', 30],
    ['a kind of actor', { actorKinds: ['KEY'] }, 'event_by_type', 1_000],
    ['kinds of actors of whom none acted', { actorKinds: ['ROOT', 'SYSTEM'] }, 'event_by_type', 150],
    ['a kind of actor and a type', { actorKinds: ['KEY'], types: [RARE] }, 'event_by_type', 700],
    ['a kind and types that it has not', { actorKinds: ['USER'], types: TYPES }, 'event_by_type', 60],
    ['a kind between instants', { actorKinds: ['KEY'], since, until }, 'event_by_type', 900],
    ['a credential', { credentialId: 'code_3' }, 'event_by_credential', 700],
    ['a credential between instants', { credentialId: 'code_3', since, until }, 'event_by_credential', 900],
    ['a credential by which nothing was done', { credentialId: 'code_99' }, 'event_by_credential', 30],
    ['a credential and a type', { credentialId: 'code_3', types: [RARE] }, 'event_by_credential', 700],
    ['a request', { correlationId: 'r-25001' }, 'event_by_request', 30],
    ['a request and more', { correlationId: 'r-25001', types: TYPES, actorId: 'key_4' }, 'event_by_request', 30],
  ]
  test.each(inDetail)('%s is found in an index of its own, and counted there', async (_, filter, index, blocks) => {
    const scope = { accountId: other.accountId }
    const inside = encodeCursor(['events', other.accountId, 'position'], ['25000'])
    const before = ['account_pkey', 'event_account_position_key']
    const found = (plan: PlanNode) => indexesOf(plan).filter((name) => !before.includes(name))
    for (const request of [
      {},
      { first: 100 },
      { last: 100 },
      { first: 100, after: inside },
      { last: 100, before: inside },
    ])
      for (const plan of await plansOf(() => listEvents(reader, scope, filter, request))) {
        expect(found(plan)).toEqual([index])
        expect(seqScansOf(plan)).toEqual([])
        expect(blocksOf(plan)).toBeLessThan(blocks)
      }
    const page = await listEvents(reader, scope, filter, {})
    for (const plan of await plansOf(() => page.totalCount())) {
      expect(found(plan)).toEqual([index])
      expect(seqScansOf(plan)).toEqual([])
      expect(blocksOf(plan)).toBeLessThan(400)
    }
  })

  test("keys that were somebody's once are found by what their events say, however many there are", async () => {
    const plan = await planFor(database.owner, { text: HOLDINGS, values: [2, seedId('usr', 2, 1)] })
    expect(indexesOf(plan)).toEqual(['event_of_acted_as', 'event_of_owner', 'event_stream_version_key'])
    expect(seqScansOf(plan)).toEqual([])
    // One key of fifty events, each in a page of its own, of which two types in seven are looked at.
    expect(plan['Actual Rows']).toBe(15)
    expect(blocksOf(plan)).toBeLessThan(150)
  })

  test('what things were called then is looked up in an index of the few events that name anything', async () => {
    const page = await listEvents(reader, { accountId: other.accountId }, {}, { last: 100 })
    const events = page.edges.map(({ node }) => node)
    const loaders = createLoaders(reader, { kind: 'ROOT' })
    const names = events.map((event) => loaders.namesThen.load(event))
    expect((await Promise.all(names)).every(({ before, after }) => before === after && after !== null)).toBe(true)
    loaders.clear()
    for (const plan of await plansOf(() => Promise.all(events.map((event) => loaders.namesThen.load(event))))) {
      expect(indexesOf(plan)).toEqual(['event_of_name'])
      expect(seqScansOf(plan)).toEqual([])
      expect(blocksOf(plan)).toBeLessThan(600)
    }
    const any = await planForAny(database.owner, { text: PERSONAL_NAMES, values: [] })
    if (any !== undefined) expect(indexesOf(any)).toEqual(['event_id_key'])
  })

  test('the rotation before a rotation is looked for in the stream alone', async () => {
    const keys = Array.from({ length: 100 }, (_, n) => seedId('key', 2, n))
    const same = <Value>(value: Value) => keys.map(() => value)
    const statement = {
      text: ENDED_OVERLAPS,
      values: [same(2), keys, keys, same(40), same('PRIMARY'), same('2026-06-01T00:00:00.000Z')],
    }
    const plan = await planFor(database.owner, statement)
    for (const one of [plan, await planForAny(database.owner, statement)]) {
      if (one === undefined) continue
      expect(indexesOf(one)).toEqual(['event_stream_version_key'])
      expect(seqScansOf(one)).toEqual([])
    }
    // A hundred streams of forty events, each event in a page of its own.
    expect(blocksOf(plan)).toBeLessThan(6_000)
  })

  test('of a subject since an instant begins there', async () => {
    const scope = { subjectId: seedId('key', 2, 0) }
    for (const plan of await plansOf(() => listEvents(reader, scope, { since, types: ['key.updated'] }, { first: 10 })))
      expect(indexesOf(plan)).toEqual(['event_stream_version_key', 'stream_pkey'])
  })
})
