// Where a hash of the tree lies, and how that place is written.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseTilePath, tilePath, tilesOf, widthOf } from '#audit/tree/tiles.ts'

describe('the tiles of a tree', () => {
  test('are those of the example in tlog-tiles', () => {
    const tiles = [...tilesOf(70_000)]
    const count = (level: number, width: (tile: number) => boolean) =>
      tiles.filter((tile) => tile.level === level && width(tile.width)).length
    expect([0, 1, 2].map((level) => count(level, (width) => width === 256))).toEqual([273, 1, 0])
    const partial = tiles.filter(({ width }) => width < 256)
    expect(partial).toEqual([
      { level: 0, index: 273, width: 112 },
      { level: 1, index: 1, width: 17 },
      { level: 2, index: 0, width: 1 },
    ])
  })

  test('of 256 leaves are one full and one of one hash', () => {
    expect([...tilesOf(256)]).toEqual([
      { level: 0, index: 0, width: 256 },
      { level: 1, index: 0, width: 1 },
    ])
    expect([...tilesOf(0)]).toEqual([])
  })

  test('have a width at sizes beyond 32 bits, and none where there is nothing', () => {
    const size = 2 ** 53 - 1
    expect(widthOf({ level: 6, index: 0 }, size)).toBe(31)
    expect(widthOf({ level: 0, index: Math.floor(size / 256) }, size)).toBe(255)
    expect(widthOf({ level: 7, index: 0 }, size)).toBe(0)
    expect(widthOf({ level: 0, index: 5 }, 100)).toBe(0)
    expect(() => widthOf({ level: 0, index: 0 }, 2 ** 53)).toThrow('below 2^53')
  })
})

describe("a tile's path", () => {
  test('is as tlog-tiles writes it', () => {
    expect(tilePath(0, 1_234_067, 256)).toBe('tile/0/x001/x234/067')
    expect(tilePath(0, 273, 112)).toBe('tile/0/273.p/112')
    expect(tilePath('entries', 0, 256)).toBe('tile/entries/000')
    expect(tilePath(2, 1000, 1)).toBe('tile/2/x001/000.p/1')
  })

  test('is read as it was written', () => {
    const level = fc.oneof(fc.constant('entries' as const), fc.integer({ min: 0, max: 63 }))
    fc.assert(
      fc.property(level, fc.maxSafeNat(), fc.integer({ min: 1, max: 256 }), (which, index, width) => {
        expect(parseTilePath(tilePath(which, index, width))).toEqual({ level: which, index, width })
      }),
    )
  })

  test.each([
    'tile/00/000',
    'tile/64/000',
    'tile/-1/000',
    'tile/0/0',
    'tile/0/x000/000',
    'tile/0/000.p/0',
    'tile/0/000.p/256',
    'tile/0/000.p/01',
    'tile/0/000.p/',
    'tile/0/x999/x999/x999/x999/x999/999',
    'tile/entries/000/',
    '/tile/0/000',
    'tile/0/000\n',
    'tile/data/000',
    'tile/0/../000',
  ])('is not read where it is %j', (path) => {
    expect(parseTilePath(path)).toBeUndefined()
  })
})
