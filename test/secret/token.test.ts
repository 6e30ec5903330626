// The grammar of generated secrets: what is one is read whole, and nothing else is one.
import { crc32 } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { BASE62, toBase62 } from '#domain/base62.ts'
import { digestSecret, sameDigest } from '#secret/digest.ts'
import { type Keyring, newKeyringText, parseKeyring } from '#secret/keyring.ts'
import { mintSecret } from '#secret/mint.ts'
import { formatToken, parseToken, SECRET_LENGTH_MAX } from '#secret/token.ts'
import vectors from './vectors.json' with { type: 'json' }

const digits = (count: number) => fc.string({ unit: fc.constantFrom(...BASE62), minLength: count, maxLength: count })
const prefixes = fc.stringMatching(/^[a-z][a-z0-9_]{0,30}[a-z0-9]$/)
const parts = fc.record({ prefix: prefixes, shortId: digits(10), random: digits(32) })
const tokens = parts.map(formatToken)
// Any UTF-16 code unit, lone surrogates included, which fast-check's own units leave out.
const anyCharacter = fc.nat(0xffff).map((unit) => String.fromCharCode(unit))
const anyText = fc.string({ unit: anyCharacter, maxLength: 600 })

const keyring = testKeyring()

function testKeyring(): Keyring {
  const result = parseKeyring(newKeyringText())
  if (!result.ok) throw new Error('a new keyring is readable')
  return result.keyring
}

function expectRefused(changed: string, token: string): void {
  if (changed === token) return
  expect(parseToken(changed), JSON.stringify(changed)).toBeUndefined()
  // Where the checksum let a change pass (it is no proof), the digest would not.
  expect(sameDigest(digestSecret(keyring, changed).digest, digestSecret(keyring, token).digest)).toBe(false)
}

describe('a generated secret', () => {
  test.each(vectors.tokens)('is written and read as frozen: $token', ({ prefix, shortId, random, token }) => {
    expect(formatToken({ prefix, shortId, random })).toBe(token)
    expect(parseToken(token)).toEqual({ prefix, shortId, hint: `${prefix}_${shortId}` })
  })

  test('is read as it was written, whatever its parts', () => {
    fc.assert(
      fc.property(parts, ({ prefix, shortId, random }) => {
        const token = formatToken({ prefix, shortId, random })
        expect(parseToken(token)).toEqual({ prefix, shortId, hint: `${prefix}_${shortId}` })
        expect(token.length).toBe(prefix.length + 50)
        expect(token.length).toBeLessThanOrEqual(SECRET_LENGTH_MAX)
      }),
    )
  })

  test('never shows a secret digit in its hint', () => {
    const { prefix, shortId, random } = vectors.tokens[0]!
    expect(JSON.stringify(parseToken(formatToken({ prefix, shortId, random })))).not.toContain(random.slice(0, 4))
  })

  test.each([
    { prefix: 'A', shortId: '0'.repeat(10), random: '0'.repeat(32) },
    { prefix: 'a', shortId: '0'.repeat(10), random: '0'.repeat(32) },
    { prefix: 'ab_', shortId: '0'.repeat(10), random: '0'.repeat(32) },
    { prefix: 'a'.repeat(33), shortId: '0'.repeat(10), random: '0'.repeat(32) },
    { prefix: 'key', shortId: '0'.repeat(9), random: '0'.repeat(32) },
    { prefix: 'key', shortId: '0'.repeat(10), random: '0'.repeat(31) },
    { prefix: 'key', shortId: '0'.repeat(10), random: 'ä'.repeat(32) },
    // An underscore in the wrong part: well-formed as a whole, and read back as something else.
    { prefix: 'key', shortId: `x_${'0'.repeat(10)}`, random: '0'.repeat(32) },
    { prefix: 'key', shortId: 'ab', random: `0000000000_${'0'.repeat(32)}` },
  ])('is not written from ill-formed parts, nor are they told: $prefix $shortId $random', (bad) => {
    const attempt = () => formatToken(bad)
    expect(attempt).toThrow('Invariant broken')
    expect(attempt).not.toThrow(bad.random)
  })
})

describe('what is not a generated secret to the character is none', () => {
  test('every change of one character, exhaustively', () => {
    const replacements = [...BASE62, '_', '-', ' ', '\0', '\n', '%', "'", 'é', '\ud800', '０']
    for (const { token } of vectors.tokens) {
      for (let at = 0; at < token.length; at++) {
        for (const character of replacements) {
          const changed = token.slice(0, at) + character + token.slice(at + 1)
          if (changed !== token) expect(parseToken(changed), JSON.stringify(changed)).toBeUndefined()
        }
      }
    }
  })

  test('every change of one character in a fresh secret', () => {
    fc.assert(
      fc.property(tokens, fc.nat(), anyCharacter, (token, n, character) => {
        const at = n % token.length
        expectRefused(token.slice(0, at) + character + token.slice(at + 1), token)
      }),
    )
  })

  test('every proper prefix and every proper suffix', () => {
    fc.assert(
      fc.property(tokens, (token) => {
        for (let length = 0; length < token.length; length++) {
          expectRefused(token.slice(0, length), token)
          expectRefused(token.slice(token.length - length), token)
        }
      }),
      { numRuns: 20 },
    )
  })

  test('characters added anywhere', () => {
    fc.assert(
      fc.property(
        tokens,
        fc.nat(),
        fc.string({ unit: anyCharacter, minLength: 1, maxLength: 8 }),
        (token, n, added) => {
          const at = n % (token.length + 1)
          expectRefused(token.slice(0, at) + added + token.slice(at), token)
        },
      ),
    )
  })

  test('two neighbours swapped', () => {
    fc.assert(
      fc.property(tokens, fc.nat(), (token, n) => {
        const at = n % (token.length - 1)
        expectRefused(token.slice(0, at) + token.charAt(at + 1) + token.charAt(at) + token.slice(at + 2), token)
      }),
    )
  })

  test('case changed, all of it or one letter', () => {
    fc.assert(
      fc.property(tokens, fc.nat(), (token, n) => {
        const at = n % token.length
        const letter = token.charAt(at)
        const swapped = letter === letter.toUpperCase() ? letter.toLowerCase() : letter.toUpperCase()
        expectRefused(token.slice(0, at) + swapped + token.slice(at + 1), token)
        expectRefused(token.toUpperCase(), token)
        expectRefused(token.toLowerCase(), token)
      }),
    )
  })

  test.each([' ', '\t', '\n', '\r\n', '\0', '\u00a0', '\u200b', '\ufeff'])('space around it: %j', (space) => {
    const { token } = vectors.tokens[0]!
    for (const changed of [space + token, token + space, space + token + space]) expectRefused(changed, token)
  })

  test('the right shape with any other checksum', () => {
    fc.assert(fc.property(tokens, digits(6), (token, other) => expectRefused(token.slice(0, -6) + other, token)))
  })

  // Anyone can work out a checksum: the shape has to hold by itself.
  test.each([
    ['a digit too many', `key_${'0'.repeat(10)}_${'0'.repeat(33)}`],
    ['a digit too few', `key_${'0'.repeat(10)}_${'0'.repeat(31)}`],
    ['a longer short id', `key_${'0'.repeat(11)}_${'0'.repeat(32)}`],
    ['a prefix of one letter', `k_${'0'.repeat(10)}_${'0'.repeat(32)}`],
    ['a prefix in upper case', `KEY_${'0'.repeat(10)}_${'0'.repeat(32)}`],
    ['a prefix that begins with a digit', `1key_${'0'.repeat(10)}_${'0'.repeat(32)}`],
    ['a prefix that ends in an underscore', `key__${'0'.repeat(10)}_${'0'.repeat(32)}`],
    ['a prefix of 33', `${'k'.repeat(33)}_${'0'.repeat(10)}_${'0'.repeat(32)}`],
    ['space before it', ` key_${'0'.repeat(10)}_${'0'.repeat(32)}`],
    ['a line before it', `x\nkey_${'0'.repeat(10)}_${'0'.repeat(32)}`],
    ['a line break before the checksum', `key_${'0'.repeat(10)}_${'0'.repeat(32)}\n`],
    ['a quote for a digit', `key_${'0'.repeat(10)}_${'0'.repeat(31)}'`],
    ['no short id', `key_${'0'.repeat(43)}`],
  ])('another shape with the right checksum: %s', (_name, body) => {
    expect(parseToken(body + toBase62(crc32(body), 6))).toBeUndefined()
  })

  test('lookalike digits, encodings and wrappings', () => {
    const { token } = vectors.tokens[0]!
    const fullWidth = token.replaceAll('0', '０')
    for (const changed of [
      fullWidth,
      encodeURIComponent(`${token}%`),
      `"${token}"`,
      `Bearer ${token}`,
      token + token,
    ]) {
      expectRefused(changed, token)
    }
  })

  test('random text of the right length', () => {
    fc.assert(fc.property(digits(60), (text) => void expect(parseToken(text)).toBeUndefined()))
  })
})

describe('hostile text', () => {
  const { token } = vectors.tokens[0]!

  test.each([
    ['nothing', ''],
    ['NUL', '\0'],
    ['a lone high surrogate', '\ud800'],
    ['a lone low surrogate', `${token.slice(0, -1)}\udfff`],
    ['quotes', `' OR 1=1; -- "`],
    ['percent signs', '%%%00%s%n'],
    ['1 MB of a digit', 'a'.repeat(1_000_000)],
    ['1 MB of underscores', `a${'_'.repeat(1_000_000)}`],
    ['1 MB after a real one', token + 'a'.repeat(1_000_000)],
    ['1 MB before a real one', 'a'.repeat(1_000_000) + token],
    ['an object property', '__proto__'],
  ])('is refused without an exception: %s', (_name, text) => {
    expect(parseToken(text)).toBeUndefined()
  })

  test('never makes the parser throw', () => {
    fc.assert(fc.property(anyText, (text) => void expect(parseToken(text)).toBeUndefined()))
  })

  test('is not read at all where it is too long', () => {
    // Stands in for a string: any look at its characters would fail the test.
    const overlong = new Proxy(
      { length: 1_000_000 },
      {
        get(target, name) {
          if (name === 'length') return target.length
          throw new Error(`an overlong text was read: ${String(name)}`)
        },
      },
    )
    expect(parseToken(overlong as unknown as string)).toBeUndefined()
  })
})

test('a minted secret is one that is read', () => {
  const secret = mintSecret('bss').reveal()
  expect(parseToken(secret)?.prefix).toBe('bss')
})
