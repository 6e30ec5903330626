// The box: nothing that prints, copies or serialises it gets at the plaintext.
import { format, inspect } from 'node:util'
import { serialize } from 'node:v8'
import pino from 'pino'
import { describe, expect, test } from 'vitest'
import { Secret } from '#secret/secret.ts'

const PLAINTEXT = 'bss_05a426b7c8_ABCDEFGHIJKLMNOPQRSTUVWXYZ0123453m6ddj'
const secret = new Secret(PLAINTEXT)

test('gives its plaintext to who asks for it by name', () => {
  expect(secret.reveal()).toBe(PLAINTEXT)
})

describe('prints as redacted', () => {
  test.each([
    ['a template string', () => `${secret}`],
    ['String()', () => String(secret)],
    ['concatenation', () => ['issued ', secret].reduce<string>((text, part) => text + part, '')],
    ['join', () => [secret].join()],
    ['inspect', () => inspect(secret)],
    ['console formatting', () => format('%s', secret)],
    ['an error message', () => new Error(`wrong: ${secret}`).message],
  ])('in %s', (_name, print) => {
    expect(print()).toContain('[redacted]')
    expect(print()).not.toContain('ABCDEF')
  })

  test('in JSON, nested too', () => {
    expect(JSON.stringify(secret)).toBe('"[redacted]"')
    expect(JSON.stringify({ input: { secrets: [secret] } })).toBe('{"input":{"secrets":["[redacted]"]}}')
  })

  test('in a log line', () => {
    const lines: string[] = []
    pino({}, { write: (line: string) => void lines.push(line) }).info(
      { secret, nested: { secret } },
      'issued %s',
      secret,
    )
    expect(lines.join()).toContain('[redacted]')
    expect(lines.join()).not.toContain('ABCDEF')
  })
})

describe('does not give its plaintext to', () => {
  test.each([
    ['inspection in depth', () => inspect({ secret }, { depth: null, showHidden: true, getters: true })],
    ['inspection without custom printing', () => inspect(secret, { customInspect: false, showHidden: true })],
    ['console formats', () => ['%o', '%O', '%j', '%d', '%i'].map((form) => format(form, secret)).join()],
    ['spreading', () => JSON.stringify({ ...secret })],
    ['assignment', () => JSON.stringify(Object.assign({}, secret))],
    ['entries', () => JSON.stringify([Object.entries(secret), Reflect.ownKeys(secret)])],
    ['structured cloning', () => inspect(structuredClone(secret), { showHidden: true })],
    ['serialisation', () => serialize(secret).toString('latin1') + serialize(secret).toString('utf16le')],
  ])('%s', (_name, print) => {
    expect(print()).not.toContain('ABCDEF')
  })
})

test('can not be made to print otherwise', () => {
  expect(() => Object.assign(secret, { toJSON: () => secret.reveal() })).toThrow(TypeError)
})
