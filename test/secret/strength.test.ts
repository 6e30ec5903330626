import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { BASE62 } from '#domain/base62.ts'
import { randomDigits } from '#secret/random.ts'
import { Secret } from '#secret/secret.ts'
import { estimateBits, isStrong } from '#secret/strength.ts'

const strong = (text: string) => isStrong(new Secret(text))

describe('a secret that people or guessers think of is too weak', () => {
  test.each([
    'passwordpassword1',
    'Password12345678!',
    'P@ssw0rdP@ssw0rd',
    'correct-horse-battery-staple',
    'correcthorsebatterystaple',
    'CorrectHorseBatteryStaple',
    'c0rrecth0rseb4tterystap1e',
    'production-database-password',
    'administrator123456',
    'buildmaster-api-key-1',
    'LetMeInPleaseNow!',
    'S3cr3t-K3y-F0r-Us',
    'january-february-march',
    'iloveyouiloveyouiloveyou',
    'tr0ub4dor&3tr0ub4dor&3',
    'abcdefghijklmnopqrstuvwxyz',
    'zyxwvutsrqponmlkjihgfedcba',
    'acegikmoqsuwy02468',
    'aabbccddeeffgghhiijj',
    'abababababababababababab',
    '0123456789012345678901234567890123456789',
    '31415926535897932',
    'qwertyuiopasdfghjklzxcvbnm',
    '1qaz2wsx3edc4rfv5tgb',
    '!@#$%^&*()_+!@#$',
    'AAAABBBBCCCCDDDDEEEEFFFF',
    'deadbeefdeadbeefdeadbeef',
    '1234-5678-9012-3456',
    '2024-01-01T00:00:00Z',
  ])('%s', (text) => expect(strong(text)).toBe(false))

  test('however long one character, or a few, are repeated', () => {
    for (const part of ['a', '!', 'aB3$', 'password', 'xK9!qT2#'])
      expect(estimateBits(part.repeat(256 / part.length)), part).toBeLessThan(64)
  })

  test('and is not made strong by being sent in other cases, or with a letter replaced', () => {
    for (const text of ['CORRECTHORSEBATTERYSTAPLE', 'correcthorsebatterystapl3', 'Correcthorsebatterystaple'])
      expect(strong(text), text).toBe(false)
  })
})

describe('a random secret is strong', () => {
  const among = (alphabet: string, length: number) =>
    Array.from({ length }, () => alphabet[randomBytes(4).readUInt32BE() % alphabet.length]).join('')
  const shareOfStrong = (make: () => string) => Array.from({ length: 300 }, make).filter(strong).length / 300

  test.each([
    ['20 letters and digits', () => randomDigits(20), 0.98],
    ['16 letters and digits, nearly always', () => randomDigits(16), 0.9],
    ['32 hexadecimal digits', () => randomBytes(16).toString('hex'), 0.98],
    ['24 bytes in base64', () => randomBytes(24).toString('base64'), 0.98],
    ['a random UUID', () => crypto.randomUUID(), 0.98],
    ['26 small letters', () => among('abcdefghijklmnopqrstuvwxyz', 26), 0.97],
    ['26 decimal digits', () => among('0123456789', 26), 0.97],
    ['256 letters and digits', () => among(BASE62, 256), 1],
  ])('%s', (_what, make, share) => expect(shareOfStrong(make)).toBeGreaterThanOrEqual(share))

  test('so are six words and more, chosen at random', () => {
    for (const text of [
      'horse-battery-staple-correct-window-orange-table',
      'muffinlanternorbitcactusvelvetharborpigment',
    ])
      expect(strong(text), text).toBe(true)
  })

  test('but not 15 decimal digits, which can be counted through', () => {
    expect(shareOfStrong(() => among('0123456789', 15))).toBe(0)
  })
})

test('the longest secret is estimated in no time that others would notice', () => {
  const startedAt = performance.now()
  for (const text of [randomDigits(256), 'a'.repeat(256), 'aA4@'.repeat(64), 'the'.repeat(85)]) estimateBits(text)
  expect(performance.now() - startedAt).toBeLessThan(1_000)
})
