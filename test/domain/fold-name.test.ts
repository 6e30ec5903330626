import { describe, expect, test } from 'vitest'
import { foldName } from '#domain/fold-name.ts'

describe('a folded name', () => {
  test.each([
    ['Payments API', 'payments api'],
    ['ÄÖÜ', 'äöü'],
    ['Ａｄｓ', 'ads'],
    ['ﬁle', 'file'],
    ['ΣΊΣΥΦΟΣ', 'σίσυφος'],
    ['Å', 'å'],
    ['', ''],
  ])('of %j is %j', (name, folded) => {
    expect(foldName(name)).toBe(folded)
  })
})
