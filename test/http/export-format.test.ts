// Cells of CSV: none is a formula in any spreadsheet, and every value can be had back from them.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { csvRecord, EXPORT_FORMATS, type ToldEvent } from '#http/export-format.ts'

/** What a program makes of a record that knows quotes: the text of its one cell. */
function cellOf(record: string): string {
  const text = record.replace(/\r\n$/, '')
  return text.startsWith('"') ? text.slice(1, -1).replaceAll('""', '"') : text
}

/** As docs/operating.md says: one apostrophe less wherever a cell or a part of one begins with it. */
const valueIn = (cell: string) => cell.replaceAll(/(?<=^|[;\t\r\n])'/g, '')

describe('a cell', () => {
  test.each([
    ['=1', "'=1"],
    [' \u00a0@SUM(A1)', "' \u00a0@SUM(A1)"],
    ['a;=1', "a;'=1"],
    ['a; +1;b', "a;' +1;b"],
    ['a\t-1', "a\t'-1"],
    ['a\r\n=1', "a\r\n'=1"],
    ['\tx', "'\tx"],
    ['\t=x', "'\t'=x"],
    ['\uff1d1', "'\uff1d1"],
    ['x;\uff0b1\t\uff0d1;\uff20a', "x;'\uff0b1\t'\uff0d1;'\uff20a"],
    ["'quoted'", "''quoted'"],
    ["a;'=1", "a;''=1"],
    ['a-b=c; d', 'a-b=c; d'],
    ["it's", "it's"],
  ])('%j is written as %j', (value, cell) => {
    expect(cellOf(csvRecord([value]))).toBe(cell)
  })

  const texts = fc.string({ unit: fc.constantFrom('=', '-', '\uff20', "'", ';', '\t', '\r', '\n', ' ', '"', ',', 'a') })

  test('begins no formula, however it is taken apart, and gives its value back', () => {
    fc.assert(
      fc.property(texts, (value) => {
        const cell = cellOf(csvRecord([value]))
        for (const part of cell.split(/[;\t\r\n]/)) expect(part).not.toMatch(/^\s*[=+\-@\uff1d\uff0b\uff0d\uff20]/)
        expect(cell).not.toMatch(/^[\t\r\n]/)
        expect(valueIn(cell)).toBe(value)
      }),
    )
  })

  test('of JSON begins none either, and is the same JSON', () => {
    fc.assert(
      fc.property(texts, (name) => {
        const event = { actor: { kind: 'ROOT', actorId: null, label: 'root' }, data: { name } } as unknown as ToldEvent
        const [, json = ''] = /("\{.*\}"),/s.exec(EXPORT_FORMATS.csv.line(event)) ?? []
        for (const part of cellOf(json).split(/[;\t\r\n]/)) expect(part).not.toMatch(/^\s*[=+\-@\uff20]/)
        expect(JSON.parse(cellOf(json))).toEqual({ name })
      }),
    )
  })
})
