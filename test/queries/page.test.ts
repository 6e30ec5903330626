// Pages of a list that is an array, so that what is tested is the request, the cursors and what Relay asks for.
import { describe, expect, test } from 'vitest'
import { BadQueryArgumentError } from '#domain/bad-query-argument.ts'
import { type CursorField, decodeCursor, encodeCursor, type ListIdentity } from '#queries/cursor.ts'
import { type List, type PageRequest, pageOf, type Walk } from '#queries/page.ts'

const identity: ListIdentity = ['numbers', 'all', 'ASC']

function listOf(count: number, given: Partial<List<number>> = {}): List<number> {
  const all = Array.from({ length: count }, (_, index) => index + 1)
  return {
    identity,
    fields: ['number'],
    cursorOf: (row) => [String(row)],
    async read({ forward, from, inclusive, limit }: Walk) {
      const start = from === null ? undefined : Number(from[0])
      const ordered = forward ? all : all.toReversed()
      const rest = ordered.filter(
        (row) => start === undefined || (forward ? row > start : row < start) || (inclusive && row === start),
      )
      return rest.slice(0, limit)
    },
    count: async () => count,
    ...given,
  }
}

async function issuesOf(request: PageRequest, list = listOf(3)): Promise<readonly string[]> {
  const error = await pageOf(list, request).then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  if (error === undefined) return []
  if (!(error instanceof BadQueryArgumentError)) throw error
  return error.issues.map(({ path }) => path.join('.'))
}

const nodes = (page: { edges: readonly { node: number }[] }) => page.edges.map(({ node }) => node)
const cursor = (n: number) => encodeCursor(identity, [String(n)])

describe('a page', () => {
  test('has 50 rows unless asked otherwise', async () => {
    const page = await pageOf(listOf(200), {})
    expect(nodes(page)).toEqual(Array.from({ length: 50 }, (_, index) => index + 1))
    expect(page.pageInfo).toEqual({
      hasNextPage: true,
      hasPreviousPage: false,
      startCursor: cursor(1),
      endCursor: cursor(50),
    })
  })

  test('treats null as absent', async () => {
    const page = await pageOf(listOf(3), { first: null, after: null, last: null, before: null })
    expect(nodes(page)).toEqual([1, 2, 3])
  })

  test.each([1, 10, 11, 50, 51, 100])('of %i rows has exactly so many, and knows of the next', async (first) => {
    for (const [count, hasNextPage] of [
      [first + 1, true],
      [first, false],
    ] as const) {
      const page = await pageOf(listOf(count), { first })
      expect(page.edges).toHaveLength(first)
      expect(page.pageInfo.hasNextPage).toBe(hasNextPage)
    }
  })

  test('after a cursor begins behind it and knows that something precedes it', async () => {
    const page = await pageOf(listOf(10), { first: 3, after: cursor(4) })
    expect(nodes(page)).toEqual([5, 6, 7])
    expect(page.pageInfo).toMatchObject({ hasNextPage: true, hasPreviousPage: true })
  })

  test('after a cursor whose row and all before it are gone has no previous page', async () => {
    const page = await pageOf(listOf(10), { first: 3, after: cursor(0) })
    expect(page.pageInfo.hasPreviousPage).toBe(false)
  })

  test('of the last rows is in the order of the list', async () => {
    const page = await pageOf(listOf(10), { last: 3, before: cursor(9) })
    expect(nodes(page)).toEqual([6, 7, 8])
    expect(page.pageInfo).toEqual({
      hasNextPage: true,
      hasPreviousPage: true,
      startCursor: cursor(6),
      endCursor: cursor(8),
    })
  })

  test('of the last rows comes last one first where the list says so, its cursors still being those of the list', async () => {
    const page = await pageOf(listOf(10, { lastComesFirst: true }), { last: 3 })
    expect(nodes(page)).toEqual([10, 9, 8])
    expect(page.pageInfo).toEqual({
      hasNextPage: false,
      hasPreviousPage: true,
      startCursor: cursor(8),
      endCursor: cursor(10),
    })
  })

  test('of nothing has no cursors', async () => {
    const page = await pageOf(listOf(0), { last: 1 })
    expect(page).toMatchObject({
      edges: [],
      pageInfo: { hasNextPage: false, hasPreviousPage: false, startCursor: null, endCursor: null },
    })
  })

  test('counts only when asked, and not above 10 000', async () => {
    let counted = 0
    const count = async (total: number) => {
      counted += 1
      return total
    }
    const page = await pageOf(listOf(1, { count: () => count(10_000) }), {})
    expect(counted).toBe(0)
    expect(await page.totalCount()).toBe(10_000)
    expect(await (await pageOf(listOf(1, { count: () => count(10_001) }), {})).totalCount()).toBeNull()
  })
})

describe('a request that is not one for a page names its arguments', () => {
  test.each<[PageRequest, readonly string[]]>([
    [{ first: 0 }, ['first']],
    [{ first: -1 }, ['first']],
    [{ first: 101 }, ['first']],
    [{ first: 1.5 }, ['first']],
    [{ first: Number.NaN }, ['first']],
    [{ last: 0 }, ['last']],
    [{ last: 101 }, ['last']],
    [{ first: 1, last: 1 }, ['last']],
    [{ last: 1, after: cursor(1) }, ['after']],
    [{ first: 1, before: cursor(1) }, ['before']],
    [{ before: cursor(1) }, ['before']],
    [{ first: 500, after: 'x' }, ['first', 'after']],
  ])('%j', async (request, expected) => {
    expect(await issuesOf(request)).toEqual(expected)
  })
})

describe('a cursor', () => {
  test.each<[string, ListIdentity]>([
    ['kind', ['others', 'all', 'ASC']],
    ['scope', ['numbers', 'some', 'ASC']],
    ['order', ['numbers', 'all', 'DESC']],
  ])('of a list of another %s is foreign', async (_, foreign) => {
    expect(await issuesOf({ after: encodeCursor(foreign, ['1']) })).toEqual(['after'])
    expect(await issuesOf({ last: 1, before: encodeCursor(foreign, ['1']) })).toEqual(['before'])
  })

  const raw = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
  test.each<[string, string]>([
    ['empty', ''],
    ['no base64', '%%%'],
    ['no JSON', Buffer.from('{').toString('base64url')],
    ['no list', raw({ length: 4 })],
    ['null', raw(null)],
    ['too short', raw([...identity])],
    ['too long', raw([...identity, '1', '2'])],
    ['of a number', raw([...identity, 1])],
    ['of a nested list', raw([...identity, ['1']])],
    ['of SQL', raw([...identity, "1'; DROP TABLE state.key; --"])],
    ['beyond 64 bits', raw([...identity, '9'.repeat(19)])],
    ['of a negative number', raw([...identity, '-1'])],
    ['enormous', 'A'.repeat(1_000_000)],
    ['deeply nested', Buffer.from('['.repeat(6_000)).toString('base64url')],
  ])('that is %s is refused', async (_, text) => {
    expect(await issuesOf({ after: text })).toEqual(['after'])
  })

  test.each<[CursorField, unknown, boolean]>([
    ['instant', '2026-02-28T23:59:59.999Z', true],
    ['instant', '2026-02-28T23:59:59.999999Z', true],
    ['instant', '2026-02-29T00:00:00.000Z', false],
    ['instant', '2026-13-01T00:00:00.000Z', false],
    ['instant', '2026-01-01T24:00:00.000Z', false],
    ['instant', '0000-01-01T00:00:00.000Z', false],
    ['instant', '2026-01-01T00:00:00.000+01:00', false],
    ['instant', 'infinity', false],
    ['instant', null, false],
    ['instant or null', null, true],
    ['instant or null', '', false],
    ['text', 'x', true],
    ['text', 'a\0b', false],
    ['text', null, false],
    ['number', '0', true],
    ['number', '1e3', false],
    ['number', '', false],
  ])('holds as %s the value %j: %s', (field, value, accepted) => {
    const text = raw([...identity, value])
    expect(decodeCursor(identity, [field], text)).toEqual(accepted ? [value] : undefined)
  })
})
