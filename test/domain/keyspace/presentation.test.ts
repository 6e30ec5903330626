import { describe, expect, test } from 'vitest'
import {
  DEFAULT_PRESENTATIONS,
  faultOfPresentations,
  PRESENTATION_PLACES,
  type Presentation,
} from '#domain/keyspace/presentation.ts'

const header = (name: string): Presentation => ({ place: 'HEADER', name })
const query = (name: string): Presentation => ({ place: 'QUERY', name })
const faultOf = (...presentations: Presentation[]) => faultOfPresentations(presentations)

test('the places nobody asked for can stand', () => {
  expect(faultOf(...DEFAULT_PRESENTATIONS)).toBeUndefined()
})

test('1 to 10 places', () => {
  const many = (count: number) => Array.from({ length: count }, (_, index) => query(`key${index}`))
  expect(faultOf(...many(1))).toBeUndefined()
  expect(faultOf(...many(10))).toBeUndefined()
  expect(faultOf()).toBe('must be 1 to 10 places')
  expect(faultOf(...many(11))).toBe('must be 1 to 10 places')
})

describe('no place twice', () => {
  test('headers are the same in any case, the others are not', () => {
    expect(faultOf(header('X-ApiKey'), header('x-apikey'))).toMatch('twice')
    for (const place of PRESENTATION_PLACES)
      expect(faultOf({ place, name: 'key' }, { place, name: 'key' }), place).toMatch('twice')
    expect(faultOf(query('key'), query('Key'))).toBeUndefined()
  })

  test('the same name in different places is not the same place', () => {
    expect(faultOf(...PRESENTATION_PLACES.map((place) => ({ place, name: 'key' })))).toBeUndefined()
    expect(faultOf(query('a FORM b'), { place: 'FORM', name: 'b' })).toBeUndefined()
  })
})

describe('names', () => {
  test.each(['x-api-key', 'X-ApiKey', 'Authorization', 'X_Key', "!#$%&'*+.^_`|~9", 'x-key', 'constructor'])(
    'of a header: %s',
    (name) => expect(faultOf(header(name))).toBeUndefined(),
  )

  test.each(['', ' ', 'a b', 'a:b', 'a\r\nb', 'ä', 'a\0', '"', '(a)', 'x'.repeat(101)])('not of a header: %j', (name) =>
    expect(faultOf(header(name))).toMatch('name'),
  )

  // A proxy's own word about a request, or what it is framed by, must never be taken for a key.
  test.each([
    'X-Keyledger-Authorization',
    'x-forwarded-user',
    'X-Forwarded-Uri',
    'X-Original-Method',
    'X-Key-Id',
    'x-key-permissions',
    'Host',
    'Content-Type',
    'Transfer-Encoding',
    'Cookie',
  ])('not of a header that has a meaning: %s', (name) => expect(faultOf(header(name))).toMatch('name'))

  for (const place of ['QUERY', 'FORM', 'JSON'] as const) {
    test.each(['key', 'API_Key', '__proto__', 'a b', 'ä', '&=', 'x'.repeat(100)])(`in ${place}: %j`, (name) =>
      expect(faultOf({ place, name })).toBeUndefined(),
    )
    test.each(['', 'a\0', 'a\nb', '\u007f', '\ud800', 'x'.repeat(101)])(`not in ${place}: %j`, (name) =>
      expect(faultOf({ place, name })).toMatch('name'),
    )
  }
})
