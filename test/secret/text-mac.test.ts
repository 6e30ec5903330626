// HMAC of texts by two hashes: the same as node's own, of whatever text and after whatever other.
import { createHmac, createSecretKey, randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { hexDigestsOf } from '#secret/digest.ts'
import { parseKeyring } from '#secret/keyring.ts'
import { textMacUnder } from '#secret/text-mac.ts'
import vectors from './vectors.json' with { type: 'json' }

const { keyring: frozen } = vectors

// https://www.rfc-editor.org/rfc/rfc4231, test cases 1 and 2.
test.each([
  ['0b'.repeat(20), 'Hi There', 'b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7'],
  ['4a656665', 'what do ya want for nothing?', '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843'],
])('is that of the standard: under %s', (key, text, mac) => {
  expect(textMacUnder(createSecretKey(Buffer.from(key, 'hex')))(text)).toBe(mac)
})

test('is that of node, of short texts and long ones, one after the other', () => {
  const key = createSecretKey(randomBytes(32))
  const macOf = textMacUnder(key)
  const text = fc.oneof(
    fc.string({ maxLength: 80 }),
    fc.string({ unit: 'binary', maxLength: 80 }),
    fc.integer({ min: 500, max: 520 }).map((length) => '€'.repeat(length)),
    fc.constantFrom('', '\0', '\ud800', 'a'.repeat(512), 'a'.repeat(100_000)),
  )
  fc.assert(
    fc.property(fc.array(text, { maxLength: 5 }), (texts) => {
      for (const one of texts) expect(macOf(one)).toBe(createHmac('sha256', key).update(one, 'utf8').digest('hex'))
    }),
  )
})

test('of a key that does not fit the block is refused', () => {
  expect(() => textMacUnder(createSecretKey(randomBytes(65)))).toThrow('fits its block')
})

test('is the digest by which a presented secret is looked up, under every secret of the server', () => {
  const ring = parseKeyring(frozen.text)
  if (!ring.ok) throw new Error(ring.problems.join('; '))
  expect(hexDigestsOf(ring.keyring, frozen.plaintext)).toEqual(frozen.entries.map(({ digest }) => digest))
})
