// Requests as clients and attackers make them, and the one key that is in each, if any.
import { describe, expect, test } from 'vitest'
import { DEFAULT_PRESENTATIONS, type Presentation } from '#domain/keyspace/presentation.ts'
import { type PresentingRequest, presentedKey } from '#domain/presented-key.ts'

const ALL: readonly Presentation[] = [
  { place: 'HEADER', name: 'X-ApiKey' },
  { place: 'QUERY', name: 'key' },
  { place: 'FORM', name: 'key' },
  { place: 'JSON', name: 'API_Key' },
]

type Given = { headers?: Record<string, string[]>; query?: string; form?: string; json?: string }

function requestOf({ headers = {}, query = '', form, json }: Given): PresentingRequest {
  const none = { kind: 'none' } as const
  const body = json === undefined ? none : ({ kind: 'json', text: json } as const)
  return {
    headers: new Map(Object.entries(headers)),
    query,
    body: form === undefined ? body : { kind: 'form', text: form },
  }
}

const ABSENT = 'nothing'
const UNCLEAR = 'unclear'

function found(given: Given, presentations = ALL): string {
  const presented = presentedKey(presentations, requestOf(given))
  if (presented.kind === 'presented') return `key ${presented.key}`
  return presented.kind === 'absent' ? ABSENT : UNCLEAR
}

describe('each place', () => {
  test.each<[string, Given, string]>([
    ['a header', { headers: { 'x-apikey': ['k'] } }, 'key k'],
    ['a header twice', { headers: { 'x-apikey': ['k', 'k'] } }, UNCLEAR],
    ['a header twice, once empty', { headers: { 'x-apikey': ['', 'k'] } }, UNCLEAR],
    ['a header that some proxy has joined', { headers: { 'x-apikey': ['k, k'] } }, 'key k, k'],
    ['an empty header', { headers: { 'x-apikey': [''] } }, ABSENT],
    ['another header', { headers: { 'x-api-key': ['k'], authorization: ['Bearer k'] } }, ABSENT],
    ['a huge header', { headers: { 'x-apikey': ['k'.repeat(100_000)] } }, `key ${'k'.repeat(100_000)}`],
    ['a parameter', { query: 'a=1&key=k&b=2' }, 'key k'],
    ['a parameter twice', { query: 'key=k&key=k' }, UNCLEAR],
    ['a parameter twice, one encoded', { query: 'key=k&%6bey=other' }, UNCLEAR],
    ['a parameter twice, once empty', { query: 'key=&key=k' }, UNCLEAR],
    ['a parameter in another case', { query: 'KEY=k' }, ABSENT],
    ['a parameter of an array', { query: 'key[]=k' }, ABSENT],
    ['an empty parameter', { query: 'key=' }, ABSENT],
    ['a parameter without a value', { query: 'key' }, ABSENT],
    ['an encoded parameter', { query: 'key=%6B%2Bk%25' }, 'key k+k%'],
    ['a plus, which is a space', { query: 'key=a+b' }, 'key a b'],
    ['what is no encoding', { query: 'key=%zz%' }, 'key %zz%'],
    ['bytes that are no text', { query: 'key=%ff%00k' }, 'key \ufffd\0k'],
    ['semicolons, which separate nothing', { query: 'a=1;key=k' }, ABSENT],
    ['a field', { form: 'a=1&key=k+k' }, 'key k k'],
    ['a field twice', { form: 'key=k&key=k' }, UNCLEAR],
    ['a property', { json: ' { "a" : [1, {"API_Key": "no"}], "API_Key" : "k" } ' }, 'key k'],
    ['an escaped property', { json: '{"API\\u005fKey":"\\u006b\\""}' }, 'key k"'],
    ['a property twice', { json: '{"API_Key":"k","API_Key":"k"}' }, UNCLEAR],
    ['a property twice, one escaped', { json: '{"API_Key":"k","API\\u005fKey":"other"}' }, UNCLEAR],
    ['a property twice, the last empty', { json: '{"API_Key":"k","API_Key":""}' }, UNCLEAR],
    ['a property further in', { json: '{"a":{"API_Key":"k"},"b":[{"API_Key":"k"}]}' }, ABSENT],
    ['a property of an array', { json: '[{"API_Key":"k"}]' }, ABSENT],
    ['a text that looks like a property', { json: '{"a":"{\\"API_Key\\":\\"k\\"}","b":"API_Key"}' }, ABSENT],
    ['a value of that name', { json: '{"a":"API_Key","b":":","c":"k"}' }, ABSENT],
    ['a property in another case', { json: '{"api_key":"k"}' }, ABSENT],
    ['an empty property', { json: '{"API_Key":""}' }, ABSENT],
    ['a number', { json: '{"API_Key":1}' }, UNCLEAR],
    ['null', { json: '{"API_Key":null}' }, UNCLEAR],
    ['an object', { json: '{"API_Key":{"API_Key":"k"}}' }, UNCLEAR],
    ['an array', { json: '{"API_Key":["k"]}' }, UNCLEAR],
    ['JSON of another kind', { json: '"API_Key"' }, ABSENT],
    ['broken JSON', { json: '{"API_Key":"k"' }, UNCLEAR],
    ['JSON with something after it', { json: '{"API_Key":"k"} {}' }, UNCLEAR],
    ['JSON with comments', { json: '{/**/"API_Key":"k"}' }, UNCLEAR],
    ['JSON nested without end', { json: '['.repeat(65_536) }, UNCLEAR],
    ['deep JSON', { json: `{"a":${'['.repeat(30_000)}${']'.repeat(30_000)},"API_Key":"k"}` }, 'key k'],
    ['nothing at all', {}, ABSENT],
  ])('%s', (_name, given, expected) => {
    expect(found(given)).toBe(expected)
  })

  test('a property named as what every object has', () => {
    const presentations: Presentation[] = [{ place: 'JSON', name: '__proto__' }]
    expect(found({ json: '{}' }, presentations)).toBe(ABSENT)
    expect(found({ json: '{"__proto__":"k"}' }, presentations)).toBe('key k')
    expect(found({}, [{ place: 'HEADER', name: 'constructor' }])).toBe(ABSENT)
  })
})

describe('only where the keyspace says', () => {
  test.each<[string, Given]>([
    ['header', { headers: { 'x-apikey': ['k'] } }],
    ['parameter', { query: 'key=k' }],
    ['field', { form: 'key=k' }],
    ['property', { json: '{"API_Key":"k"}' }],
  ])('a %s is nothing where it is not among them', (_name, given) => {
    const [own, ...others] = ALL.filter((presentation) => found(given, [presentation]) !== ABSENT)
    expect(others).toEqual([])
    expect(
      found(
        given,
        ALL.filter((presentation) => presentation !== own),
      ),
    ).toBe(ABSENT)
  })

  test('a body that is not JSON does not matter where no key is looked for in JSON', () => {
    expect(found({ query: 'key=k', json: '{' }, ALL.slice(0, 3))).toBe('key k')
  })
})

describe('several places', () => {
  const header = (key: string) => ({ headers: { 'x-apikey': [key] } })

  test('the same key in all of them is one key', () => {
    expect(found({ ...header('k'), query: 'key=k', json: '{"API_Key":"k"}' })).toBe('key k')
  })

  test.each<[string, Given]>([
    ['header and parameter', { ...header('k'), query: 'key=other' }],
    ['header and field', { ...header('k'), form: 'key=other' }],
    ['parameter and property', { query: 'key=k', json: '{"API_Key":"other"}' }],
    ['keys that differ in case', { ...header('k'), query: 'key=K' }],
    ['keys that differ in a space', { ...header('k'), query: 'key=k+' }],
    ['a good key and a broken body', { ...header('k'), json: '{' }],
    ['a good key and a repeated one', { ...header('k'), query: 'key=k&key=k' }],
  ])('%s: no key', (_name, given) => expect(found(given)).toBe(UNCLEAR))

  test('empty ones present nothing', () => {
    expect(found({ ...header(''), query: 'key=k', json: '{"API_Key":""}' })).toBe('key k')
  })
})

describe('Authorization', () => {
  const bearer = (...values: string[]) => found({ headers: { authorization: values } }, DEFAULT_PRESENTATIONS)

  test.each([
    ['Bearer k', 'key k'],
    ['bearer k', 'key k'],
    ['BEARER   k', 'key k'],
    ['Bearer k k', 'key k k'],
    ['Bearer k,k', 'key k,k'],
    ['Bearer k\u00e9', 'key k\u00e9'],
    ['Bearer', ABSENT],
    ['Bearer ', ABSENT],
    ['', ABSENT],
    ['k', ABSENT],
    ['Bearerk', ABSENT],
    ['Bearer\tk', ABSENT],
    ['Basic Ymxhc2U6Ymxhc2U=', ABSENT],
    ['Basic x, Bearer k', ABSENT],
  ])('%j', (value, expected) => expect(bearer(value)).toBe(expected))

  test('two of them are unclear, whatever their schemes', () => {
    expect(bearer('Bearer k', 'Bearer k')).toBe(UNCLEAR)
    expect(bearer('Basic x', 'Bearer k')).toBe(UNCLEAR)
  })

  test('another scheme beside a key in another header is no conflict', () => {
    const headers = { authorization: ['Basic x'], 'x-api-key': ['k'] }
    expect(found({ headers }, DEFAULT_PRESENTATIONS)).toBe('key k')
    expect(found({ headers: { ...headers, authorization: ['Bearer other'] } }, DEFAULT_PRESENTATIONS)).toBe(UNCLEAR)
  })
})
