// A secret that is almost right opens nothing: neither what it is a secret of, nor this API.
import { crc32 } from 'node:zlib'
import { afterAll, describe, expect, test } from 'vitest'
import { toBase62 } from '#domain/base62.ts'
import { VerifyKeysDocument } from '#test/generated/operations.ts'
import { startTestApp } from '#test/support/app.ts'

const app = await startTestApp()
afterAll(() => app.close())

const { accountId } = await app.createAccount()
const { secret } = await app.createKey(await app.createKeyspace(accountId))
const credential = await app.createCredential(accountId, ['*'])

const CHECKSUM_DIGITS = 6

function prefixesOf(text: string): string[] {
  return Array.from(text, (_, length) => text.slice(0, length))
}

/** At each position three other characters, the other case of a letter among them. */
function changesOf(text: string): string[] {
  return Array.from(text).flatMap((character, index) => {
    const flipped = character === character.toLowerCase() ? character.toUpperCase() : character.toLowerCase()
    const others = [...new Set(`${flipped}aZ7_`)].filter((other) => other !== character).slice(0, 3)
    return others.map((other) => text.slice(0, index) + other + text.slice(index + 1))
  })
}

/** Well-formed as far as a checksum goes: only the digest tells them from the real one. */
function checksummed(bodies: readonly string[]): string[] {
  return bodies.map((body) => body + toBase62(crc32(body), CHECKSUM_DIGITS))
}

function withExtras(text: string): string[] {
  const around = [' ', '\n', '\t', '\0', '\u00a0', '\u200b', 'a', '0', '_', '%00', "'", '"', '=', 'Bearer ']
  return [
    ...around.flatMap((extra) => [text + extra, extra + text]),
    ...Array.from(text, (_, index) => `${text.slice(0, index)}a${text.slice(index)}`),
  ]
}

function respellingsOf(text: string): string[] {
  const fullWidth = Array.from(text, (character) => String.fromCharCode(character.charCodeAt(0) + 0xfee0))
  return [
    text.toUpperCase(),
    text.toLowerCase(),
    text.replace(/^./, (first) => first.toUpperCase()),
    text.replaceAll('_', '-'),
    Array.from(text).reverse().join(''),
    text + text,
    encodeURIComponent(`${text} `),
    fullWidth.join(''),
  ]
}

async function verdictsOn(keys: readonly string[]): Promise<ReadonlySet<string>> {
  const verdicts = new Set<string>()
  for (let start = 0; start < keys.length; start += 100) {
    const inputs = keys.slice(start, start + 100).map((key) => ({ key }))
    const { verifyKeys } = await app.ask(VerifyKeysDocument, { inputs })
    for (const { code } of verifyKeys) verdicts.add(code)
  }
  return verdicts
}

describe('a secret', () => {
  test('is good as it was issued', async () => {
    expect(await verdictsOn([secret])).toEqual(new Set(['VALID']))
  })

  test('is told to be mistyped where a digit is another one', async () => {
    const prefix = secret.slice(0, secret.indexOf('_') + 1)
    const isDigits = (text: string) => /^[0-9A-Za-z]{10}_[0-9A-Za-z]{38}$/.test(text)
    const mistyped = changesOf(secret).filter((text) => text.startsWith(prefix) && isDigits(text.slice(prefix.length)))
    expect(mistyped.length).toBeGreaterThan(100)
    expect(await verdictsOn(mistyped)).toEqual(new Set(['MALFORMED']))
  })

  test.each([
    ['in every proper prefix', prefixesOf(secret)],
    ['with any one character changed', changesOf(secret)],
    ['with characters added, space around it included', withExtras(secret)],
    ['in other cases and spellings', respellingsOf(secret)],
  ])('is no key at all %s', async (_how, keys) => {
    expect(keys).not.toContain(secret)
    // What could be a caller's own secret is looked up, and not found.
    expect(['MALFORMED', 'NOT_FOUND']).toEqual(expect.arrayContaining([...(await verdictsOn(keys))]))
  })

  test('is unknown with any one character changed and the checksum made right again', async () => {
    const body = secret.slice(0, -CHECKSUM_DIGITS)
    expect(checksummed([body])).toEqual([secret])
    expect(await verdictsOn(checksummed(changesOf(body)))).toEqual(new Set(['NOT_FOUND']))
    const random = body.slice(body.lastIndexOf('_') + 1)
    const digits = changesOf(random).filter((changed) => !changed.includes('_'))
    const bodies = digits.map((changed) => body.slice(0, -random.length) + changed)
    expect(await verdictsOn(checksummed(bodies))).toEqual(new Set(['NOT_FOUND']))
  })
})

describe('a credential of this API', () => {
  test.each([
    ['in every proper prefix', prefixesOf(credential)],
    ['with any one character changed', changesOf(credential)],
    ['with a character changed and the checksum right', checksummed(changesOf(credential.slice(0, -CHECKSUM_DIGITS)))],
  ])('lets nobody in %s', async (_how, credentials) => {
    for (const attempt of credentials) {
      const { errors } = await app.execute('{ viewer { kind } }', {}, { credential: attempt })
      expect(errors.map(({ extensions }) => extensions?.code)).toEqual(['UNAUTHENTICATED'])
    }
  })
})
