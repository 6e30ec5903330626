import { expect, test } from 'vitest'
import { createSharing } from '#verify/shared.ts'

const policies = () => [{ permissions: ['reports.read'], endpoints: [{ methods: ['GET'], path: '/reports/:id' }] }]

test('equal values are one, whatever they are', () => {
  const shared = createSharing()
  expect(shared(policies())).toBe(shared(policies()))
  expect(shared(policies())).toEqual(policies())
  expect(shared(['a', 'b'])).not.toEqual(shared(['b', 'a']))
  expect([shared('1'), shared(1), shared(['1'])]).toEqual(['1', 1, ['1']])
})

test('nobody can change for others what they share', () => {
  const [policy] = createSharing()(policies())
  const [rule] = policy?.endpoints ?? []
  expect(() => policy?.permissions.push('*')).toThrow(TypeError)
  expect(() => rule?.methods.push('*')).toThrow(TypeError)
  expect(() => Object.assign(rule ?? {}, { path: '/*' })).toThrow(TypeError)
})

test('what is given is no part of what it was made of', () => {
  const shared = createSharing()
  const list = ['a']
  const first = shared(list)
  list.push('b')
  expect(first).toEqual(['a'])
  expect(shared(['a'])).toBe(first)
})

test('when there is too much to remember, it begins anew', () => {
  const shared = createSharing(20)
  const first = shared(['a', 'b'])
  expect(shared(['a', 'b'])).toBe(first)
  shared('x'.repeat(20))
  expect(shared(['a', 'b'])).toEqual(first)
  expect(shared(['a', 'b'])).not.toBe(first)
})
