// Minting: what is generated is well-formed, new every time, and takes all its digits from the random source.
import { expect, test } from 'vitest'
import { BASE62 } from '#domain/base62.ts'
import { hintOf, mintSecret } from '#secret/mint.ts'
import { randomDigits } from '#secret/random.ts'
import { Secret } from '#secret/secret.ts'
import { parseToken } from '#secret/token.ts'

test('a minted secret bears its prefix and its own hint', () => {
  const secret = mintSecret('bss')
  expect(secret.reveal()).toMatch(/^bss_[0-9A-Za-z]{10}_[0-9A-Za-z]{38}$/)
  expect(parseToken(secret.reveal())?.hint).toBe(hintOf(secret))
  expect(hintOf(secret)).toMatch(/^bss_[0-9A-Za-z]{10}$/)
})

test('no two minted secrets share a secret part or a hint', () => {
  const minted = Array.from({ length: 2_000 }, () => mintSecret('key'))
  expect(new Set(minted.map((secret) => secret.reveal().slice(-38))).size).toBe(minted.length)
  expect(new Set(minted.map(hintOf)).size).toBe(minted.length)
})

test('all 42 digits come from the random source, each drawn once', () => {
  const drawn: string[] = []
  const secret = mintSecret('key', (count) => {
    const digits = BASE62.slice(drawn.length, drawn.length + count).padEnd(count, 'x')
    drawn.push(digits)
    return digits
  })
  expect(drawn.map((digits) => digits.length)).toEqual([10, 32])
  expect(secret.reveal().slice(0, -6)).toBe(`key_${drawn[0]}_${drawn[1]}`)
})

test('the random source draws every digit and no other', () => {
  const seen = new Set(randomDigits(20_000))
  expect([...seen].sort().join('')).toBe(BASE62)
})

test('an ill-formed prefix is a defect, not a secret', () => {
  for (const prefix of ['', 'a', 'A1', '1a', 'a-b', 'ab_', 'a'.repeat(33), "a'b", 'äb']) {
    expect(() => mintSecret(prefix), prefix).toThrow('Invariant broken')
  }
})

test('a text that was not generated has no hint, and the refusal does not tell it', () => {
  const own = new Secret('correct-horse-battery-staple')
  expect(() => hintOf(own)).toThrow('Invariant broken')
  expect(() => hintOf(own)).not.toThrow('horse')
})
