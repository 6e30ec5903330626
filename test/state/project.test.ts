// What a command has to write: the rows that its events change, and no others.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { KeyFact } from '#domain/key/events.ts'
import { evolveStream, newStream, type Stream } from '#domain/streams.ts'
import { allRows, changedRows } from '#state/project.ts'
import type { Row, TableRows } from '#state/row-writer.ts'
import { BORN, code, created, issued } from '../domain/key/fixtures.ts'
import { anySteps, live } from '../domain/key/random-life.ts'
import { SOMEONE } from '../support/given.ts'

const ACCOUNT = 'acct_07aaaaaaaaaaaaaaaaaaaa'
const KEY = 'key_07aaaaaaaaaaaaaaaaaaaa'

function folded(stream: Stream<'key'>, ...facts: readonly KeyFact[]): Stream<'key'> {
  return facts.reduce(
    (before, fact) => evolveStream(before, { ...fact, at: BORN, actor: SOMEONE, version: before.version + 1 }),
    stream,
  )
}

const base = folded(newStream('key', KEY, ACCOUNT), created(), issued('one'), issued('two', { slot: 'SECONDARY' }))

/** Ids of the rows by table. */
function idsOf(tables: readonly TableRows[]): Record<string, readonly unknown[]> {
  return Object.fromEntries(tables.map(({ table, rows }) => [table.name, rows.map((row) => row[table.key[1]])]))
}

const rotated = (rotationId: string, retiredCodeId: string, codeId: string, overlapEndsAt: string | null): KeyFact => ({
  type: 'key.rotated',
  data: { rotationId, retiredCodeId, overlapEndsAt, replacement: code(codeId) },
})

describe('changed rows', () => {
  test.each<[string, readonly KeyFact[], object]>([
    ['a key is switched', [{ type: 'key.disabled', data: {} }], { key: [KEY] }],
    ['a key is revoked', [{ type: 'key.revoked', data: { reason: 'UNSPECIFIED', note: null } }], { key: [KEY] }],
    [
      'a code is described',
      [{ type: 'code.updated', data: { codeId: 'two', description: 'x' } }],
      { key: [KEY], code: ['two'] },
    ],
    ['a code is deleted', [{ type: 'code.deleted', data: { codeId: 'one' } }], { key: [KEY], code: ['one'] }],
    ['a code is issued', [issued('three')], { key: [KEY], code: ['three'] }],
    [
      'a code is rotated',
      [rotated('r1', 'one', 'three', null)],
      { key: [KEY], code: ['one', 'three'], rotation: ['r1'] },
    ],
    [
      'a second rotation ends the overlap of the first',
      [rotated('r1', 'one', 'three', '2099-01-01T00:00:00.000Z'), rotated('r2', 'three', 'four', null)],
      { key: [KEY], code: ['one', 'three', 'four'], rotation: ['r1', 'r2'] },
    ],
  ])('where %s are those', (_what, facts, ids) => {
    expect(idsOf(changedRows(base, folded(base, ...facts)))).toEqual(ids)
  })

  test('of a rotation are not those of the rotations before', () => {
    const once = folded(base, rotated('r1', 'one', 'three', null))
    expect(idsOf(changedRows(once, folded(once, rotated('r2', 'three', 'four', null))))).toEqual({
      key: [KEY],
      code: ['three', 'four'],
      rotation: ['r2'],
    })
  })

  test('of a new thing are all its rows', () => {
    expect(idsOf(allRows(base))).toEqual({ key: [KEY], code: ['one', 'two'] })
  })

  test('put on top of each other come to all rows, in every life of a key', () => {
    fc.assert(
      fc.property(anySteps, (steps) => {
        const kept = new Map<string, Row>()
        let stream: Stream<'key'> = newStream('key', KEY, ACCOUNT)
        for (const { after: state } of live(steps)) {
          const next = { ...stream, version: stream.version + 1, state }
          for (const { table, rows } of changedRows(stream, next))
            for (const row of rows) kept.set(`${table.name} ${row[table.key[1]]}`, row)
          stream = next
        }
        const whole = allRows(stream).flatMap(({ table, rows }) =>
          rows.map((row) => [`${table.name} ${row[table.key[1]]}`, row] as const),
        )
        expect(new Map(whole)).toEqual(kept)
      }),
    )
  })
})

describe('rows', () => {
  test('hold digests as bytea is written, and all columns of their table', () => {
    const hex = 'ab'.repeat(32)
    const [, codes] = allRows(folded(base, issued('three', { digest: hex })))
    expect(codes?.rows.at(-1)).toMatchObject({ code_id: 'three', digest: `\\x${hex}`, ordinal: 3 })
    for (const { table, rows } of allRows(base)) for (const row of rows) expect(Object.keys(row)).toEqual(table.columns)
  })
})
