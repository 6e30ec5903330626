// What is taken out of texts before they are kept, and what is left alone.
import { describe, expect, test } from 'vitest'
import { DEFAULT_PRESENTATIONS } from '#domain/keyspace/presentation.ts'
import { mintSecret } from '#secret/mint.ts'
import { parseToken } from '#secret/token.ts'
import { redactorFor, withoutSecret } from '#usage/redact.ts'

const redact = redactorFor([
  ...DEFAULT_PRESENTATIONS,
  { place: 'QUERY', name: 'clé[1]' },
  { place: 'JSON', name: 'API_Key' },
  { place: 'HEADER', name: 'X-Ours' },
])
const SECRET = mintSecret('bss').reveal()
const HINT = parseToken(SECRET)?.hint ?? ''
const OWN = 'correct-horse.battery~staple/42'

describe('a generated secret', () => {
  test.each([
    ['alone', SECRET],
    ['in a sentence', `I used ${SECRET}, and it failed.`],
    ['in a path', `/v1/${SECRET}/reports`],
    ['in a query of another name', `/v1?q=${SECRET}&x=1`],
    ['twice', `${SECRET} ${SECRET}`],
    ['with digits behind it', `${SECRET}0123`],
    ['behind other letters', `prefix_${SECRET}`],
    ['with a wrong character, as retyped', `${SECRET.slice(0, -1)}${SECRET.endsWith('a') ? 'b' : 'a'}`],
    ['cut off at the end', SECRET.slice(0, -9)],
    ['with underscores of URLs', SECRET.replaceAll('_', '%5F')],
    ['with underscores of JSON', SECRET.replaceAll('_', '\\u005f')],
    ['within a member of JSON', JSON.stringify({ note: `x ${SECRET} y` })],
    ['as a member of form data', `a=1&note=${SECRET}`],
  ])('%s is taken out but for its hint', (_where, text) => {
    const redacted = redact(text)
    for (let at = HINT.length + 1; at + 12 <= SECRET.length - 9; at++)
      expect(redacted).not.toContain(SECRET.slice(at, at + 12))
    expect(redacted).toContain('[redacted]')
    expect(redacted).toContain(HINT.slice(HINT.indexOf('_') + 1))
  })
})

describe("a caller's own secret", () => {
  test.each([
    ['a header line', `GET / HTTP/1.1\r\nHost: x\r\nX-API-Key: ${OWN}\r\nAccept: */*`],
    ["a header line of the keyspace's", `x-ours:${OWN}`],
    ['Authorization of any scheme', `Authorization: Token realm="x", key="${OWN}"`],
    ['authorization, in lower case and indented', `  authorization : ${OWN}`],
    ['Proxy-Authorization', `Proxy-Authorization: ${OWN}`],
    ['X-Keyledger-Authorization', `X-Keyledger-Authorization: Bearer ${OWN}`],
    ['a Bearer credential anywhere', `curl -H 'Authorization: Bearer ${OWN}'`],
    ['a Basic credential anywhere', `sent Basic ${OWN} to it`],
    ['a header as text of a program', JSON.stringify({ head: `Host: x\r\nX-API-Key: ${OWN}\r\nAccept: x` })],
    ['headers as a list of texts', JSON.stringify([`X-API-Key: ${OWN}`, 'Accept: x'])],
    ['headers as members', JSON.stringify({ headers: { authorization: OWN, 'X-API-Key': OWN } })],
    ['a query parameter', `/v1/things?apiKey=${OWN}&page=2`],
    ['the first of a form', `key=${OWN}&page=2`],
    ["a parameter of the keyspace's", `/v1?clé[1]=${OWN}`],
    ['the same, as a URL writes it', `/v1?${encodeURIComponent('clé[1]')}=${OWN}`],
    ['a parameter with an encoded equals sign', `/v1?next=/a?token%3D${OWN}`],
    ["a member of JSON of the keyspace's", `{"API_Key":"${OWN}"}`],
    ['a member of JSON with space', `{ "api_key" :\n "${OWN}" }`],
    ['a member of JSON with escapes', JSON.stringify({ password: `a"b\\${OWN}` })],
    ['a member of JSON that was cut off', `{"token":"${OWN}`],
    ['a member of JSON in JSON', JSON.stringify({ body: JSON.stringify({ client_secret: OWN, x: 1 }) })],
  ])('is taken out of %s', (_where, text) => {
    const redacted = redact(text)
    expect(redacted).not.toContain(OWN)
    expect(redacted).not.toContain('staple')
    expect(redacted).toContain('[redacted]')
  })

  test('leaves what stands around it', () => {
    expect(redact(`/v1/things?apiKey=${OWN}&page=2#top`)).toBe('/v1/things?apiKey=[redacted]&page=2#top')
    expect(JSON.parse(redact(JSON.stringify({ token: `a"${OWN}`, page: 2, list: ['x'] })))).toEqual({
      token: '[redacted]',
      page: 2,
      list: ['x'],
    })
    expect(redact(`Host: x\r\nX-API-Key: ${OWN}\r\nAccept: */*`)).toBe(
      'Host: x\r\nX-API-Key: [redacted]\r\nAccept: */*',
    )
  })
})

test.each([
  '/v1/reports?page=2&sort=name',
  '{"name":"keys","monkey":"see","keyboard":"qwerty","keys":["a"],"id":"key_07wE1kUfG7bXaQ5zSjN9Vr"}',
  'The bearer of this letter; basic facts; a key to success.',
  'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36',
  'user_background_initialisation_done and more',
  HINT,
  '',
])('%j stays as it is', (text) => {
  expect(redact(text)).toBe(text)
})

describe('a secret that is known', () => {
  const odd = 'a"b\\c/d%41+e&f=g~staple'
  const everywhere = (secret: string) =>
    Object.entries({
      'as it is': `x ${secret} y`,
      twice: `${secret}${secret}`,
      'as JSON': JSON.stringify({ note: `x ${secret} y` }),
      'as JSON in JSON': JSON.stringify({ note: JSON.stringify({ note: secret }) }),
      'as a URL': `/v1/${encodeURIComponent(secret)}?q=1`,
      'as a form': new URLSearchParams({ note: secret }).toString(),
      'as a URL in a URL': `/v1?next=${encodeURIComponent(`/v2?q=${encodeURIComponent(secret)}`)}`,
      'with every character encoded': `/v1?q=${[...secret].map((c) => `%${c.charCodeAt(0).toString(16)}`).join('')}`,
      'with one character encoded': `/v1/${encodeURIComponent(secret.slice(0, -1))}%${secret.charCodeAt(secret.length - 1).toString(16)}`,
      'with every character escaped': `{"q":"${[...secret].map(escaped).join('')}"}`,
      'with one character escaped': `{"q":"${escaped(secret)}${JSON.stringify(secret.slice(1)).slice(1)}}`,
    }).map(([how, text]) => ({ how, secret, text }))
  const escaped = (text: string) => `\\u${text.charCodeAt(0).toString(16).padStart(4, '0')}`

  test.each([SECRET, OWN, odd].flatMap(everywhere))('$secret is taken out $how', ({ secret, text }) => {
    const redacted = withoutSecret(text, secret)
    expect(redacted).toContain('[redacted]')
    for (const tail of ['staple', secret.slice(-12)]) expect(decoded(redacted)).not.toContain(tail)
  })

  /** As an attentive reader of the log would. */
  function decoded(text: string): string {
    return [1, 2, 3].reduce(
      (rest) =>
        rest
          .replace(/%([0-9a-f]{2})/gi, (_all, hex) => String.fromCharCode(Number.parseInt(hex, 16)))
          .replace(/\\u([0-9a-f]{4})/gi, (_all, hex) => String.fromCharCode(Number.parseInt(hex, 16))),
      text,
    )
  }

  test('leaves what stands around it, where that can be told', () => {
    expect(withoutSecret(`/v1/${OWN}?page=2`, OWN)).toBe('/v1/[redacted]?page=2')
    expect(withoutSecret(`{"a":"${OWN}","page":"%32"}`, OWN)).toBe('{"a":"[redacted]","page":"%32"}')
    expect(withoutSecret('/v1?q=100%25&r=%', OWN)).toBe('/v1?q=100%25&r=%')
  })

  test('is looked for in 64 KiB of escapes without taking long', () => {
    for (const part of ['%25', '%2525', '\\\\', '\\u005c', '\\u0025', '%5C'])
      for (const text of [part.repeat(65_536 / part.length), `${part}x`.repeat(65_536 / (part.length + 1))]) {
        const startedAt = performance.now()
        withoutSecret(text, SECRET)
        expect(performance.now() - startedAt, part).toBeLessThan(3_000)
      }
  })
})

test('no text of a megabyte takes long', () => {
  for (const part of [
    '"key":"\\',
    '"key"',
    '\\',
    '\\"key\\"',
    '_0123456789',
    '_0123456789_',
    'a',
    ' ',
    '\n \t',
    '"',
    '&key=',
    'Bearer ',
    '"a-',
    '-authorization',
    '"token" : "x", ',
  ])
    for (const text of [part.repeat(1_048_576 / part.length), `"key":"${part.repeat(1_048_576 / part.length)}`]) {
      const startedAt = performance.now()
      redact(text)
      expect(performance.now() - startedAt, part).toBeLessThan(3_000)
    }
})
