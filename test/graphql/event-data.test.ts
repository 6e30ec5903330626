import { expect, test } from 'vitest'
import { publicData } from '#graphql/event-data.ts'

test('digests of secrets are left out wherever they stand', () => {
  const replacement = { codeId: 'code_1', hint: 'bss_x', digest: 'ab'.repeat(32), secretId: 'k1' }
  expect(publicData({ rotationId: 'rot_1', replacement, codes: [replacement] })).toEqual({
    rotationId: 'rot_1',
    replacement: { codeId: 'code_1', hint: 'bss_x' },
    codes: [{ codeId: 'code_1', hint: 'bss_x' }],
  })
})

test("the application's own data is told whole, whatever its members are called", () => {
  const metadata = { digest: 'theirs', secretId: 'theirs', nested: [{ digest: 1 }] }
  expect(publicData({ name: 'x', metadata })).toEqual({ name: 'x', metadata })
})

test('a member named __proto__ stays a member', () => {
  expect(JSON.stringify(publicData(JSON.parse('{"a":{"__proto__":{"b":1}}}')))).toBe('{"a":{"__proto__":{"b":1}}}')
})

test('plain values stay what they are', () => {
  for (const value of [null, true, 0, '', 'x']) expect(publicData(value)).toBe(value)
})
