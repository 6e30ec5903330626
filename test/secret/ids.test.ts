// Ids: what is made is read, and nothing that merely looks like one.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { BASE62, fromBase62, toBase62 } from '#domain/base62.ts'
import { ID_KINDS, ID_SHARD_MAX, kindOf, knownShardOf, shardOf } from '#domain/ids.ts'
import { newId, newRootKey, newSalt } from '#secret/ids.ts'
import { parseToken } from '#secret/token.ts'
import vectors from './vectors.json' with { type: 'json' }

const kinds = fc.constantFrom(...ID_KINDS)
const shards = fc.integer({ min: 0, max: ID_SHARD_MAX })

function expectNone(text: string): void {
  expect([kindOf(text), shardOf(text)], JSON.stringify(text)).toEqual([undefined, undefined])
}

describe('an id', () => {
  test.each(vectors.ids)('says its kind and shard: $id', ({ id, kind, shard }) => {
    expect(kindOf(id)).toBe(kind)
    expect(shardOf(id)).toBe(shard)
  })

  test('is read as it was made', () => {
    fc.assert(
      fc.property(kinds, shards, (kind, shard) => {
        const id = newId(kind, shard)
        expect(id).toMatch(new RegExp(`^${kind}_[0-9A-Za-z]{22}$`))
        expect([kindOf(id), shardOf(id)]).toEqual([kind, shard])
      }),
    )
  })

  test('of ours is known to have a shard: one that has none is a defect', () => {
    expect(knownShardOf(newId('acct', 15))).toBe(15)
    expect(() => knownShardOf('acct_0F')).toThrow('Invariant broken')
  })

  test('is new every time', () => {
    const ids = Array.from({ length: 5_000 }, () => newId('key', 0))
    expect(new Set(ids.map((id) => id.slice(-20))).size).toBe(ids.length)
  })

  test.each([-1, ID_SHARD_MAX + 1, 1.5, Number.NaN, Number.POSITIVE_INFINITY])('is not made for shard %d', (shard) => {
    expect(() => newId('key', shard)).toThrow('Invariant broken')
  })
})

describe('what is not an id to the character has neither kind nor shard', () => {
  const id = 'key_00ABCDEFGHIJKLMNOPQRST'

  test.each([
    '',
    'key',
    'key_',
    `${id}0`,
    id.slice(0, -1),
    ` ${id}`,
    `${id}\n`,
    `${id}\0`,
    id.toUpperCase(),
    id.replace('_', '-'),
    id.replace('key', 'keys'),
    id.replace('key', 'constructor'),
    id.replace('key_', '_'),
    id.replace('A', 'Ａ'),
    id.replace('A', '\ud800'),
    id.replace('A', "'"),
    id.replace('A', '%'),
    `${id}\n${id}`,
    'key_'.repeat(250_000),
  ])('%#', (text) => expectNone(text))

  test('any text', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.nat(0xffff).map((unit) => String.fromCharCode(unit)), maxLength: 60 }),
        expectNone,
      ),
    )
  })

  test('an id shortened, lengthened or with one character that is no digit', () => {
    fc.assert(
      fc.property(
        kinds,
        shards,
        fc.nat(),
        fc.constantFrom('_', '-', ' ', '\0', 'é', '\udc00'),
        (kind, shard, n, wrong) => {
          const made = newId(kind, shard)
          const at = n % (made.length + 1)
          expectNone(made.slice(0, -1))
          expectNone(made.slice(0, at) + wrong + made.slice(at))
          if (made.charAt(at) !== wrong) expectNone(made.slice(0, at) + wrong + made.slice(at + 1))
        },
      ),
    )
  })
})

describe('base62', () => {
  test('writes in the order of ASCII, so that equal widths sort as numbers', () => {
    expect([...BASE62].sort().join('')).toBe(BASE62)
    expect(BASE62).toHaveLength(62)
  })

  test('is read as it was written, at its fixed width', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 62 ** 6 - 1 }), (value) => {
        const digits = toBase62(value, 6)
        expect(digits).toHaveLength(6)
        expect(fromBase62(digits)).toBe(value)
      }),
    )
  })

  test('has no number for what is not a digit', () => {
    for (const text of ['-1', '_0', '0 ', 'é', '0.']) expect(fromBase62(text)).toBeNaN()
  })
})

test('a salt is 16 bytes in base64url, new every time', () => {
  const salts = Array.from({ length: 100 }, newSalt)
  expect(new Set(salts).size).toBe(100)
  for (const salt of salts) {
    expect(salt).toMatch(/^[0-9A-Za-z_-]{22}$/)
    expect(Buffer.from(salt, 'base64url')).toHaveLength(16)
  }
})

test('a root key is a generated secret of its own prefix', () => {
  expect(parseToken(newRootKey().reveal())?.prefix).toBe('root')
})
