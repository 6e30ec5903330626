import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { identitiesOf } from '#secret/identity.ts'
import {
  decryptPersonal,
  encryptPersonal,
  hashOfCiphertext,
  newPersonalKey,
  openPersonalKey,
} from '#secret/personal.ts'
import { testKeyring } from '#test/support/services.ts'

const keyring = testKeyring('k2', 'k1')
const USER = 'usr_1'
const PLACE = { userId: USER, version: 1, name: 'externalId' }
const VALUES = ['kharnagy@domain.corp', '', 'Frau Dr. Groß \ud83d\ude00 "quoted"\n', 'x'.repeat(10_000), null]

describe('personal data', () => {
  test.each(VALUES)('is what it was (%j), under a key that was stored sealed', (value) => {
    const made = newPersonalKey(keyring, USER)
    const opened = openPersonalKey(keyring, USER, made)
    expect(decryptPersonal(opened, PLACE, encryptPersonal(made, PLACE, value))).toBe(value)
  })

  test('is not readable where it lies, nor the same twice', () => {
    const key = newPersonalKey(keyring, USER)
    const ciphertexts = Array.from({ length: 20 }, () => encryptPersonal(key, PLACE, 'kharnagy@domain.corp'))
    expect(new Set(ciphertexts.map((bytes) => bytes.toString('hex'))).size).toBe(20)
    for (const bytes of ciphertexts) expect(bytes.includes('kharnagy')).toBe(false)
  })

  test('does not open in another place, for another user or with a byte changed', () => {
    const key = newPersonalKey(keyring, USER)
    const ciphertext = encryptPersonal(key, PLACE, 'someone')
    for (const other of [
      { ...PLACE, userId: 'usr_2' },
      { ...PLACE, version: 2 },
      { ...PLACE, name: 'displayName' },
    ])
      expect(() => decryptPersonal(key, other, ciphertext)).toThrow()
    expect(() => decryptPersonal(newPersonalKey(keyring, USER), PLACE, ciphertext)).toThrow()
    for (let at = 0; at < ciphertext.length; at++) {
      const changed = Buffer.from(ciphertext)
      changed.writeUInt8(changed.readUInt8(at) ^ 1, at)
      expect(() => decryptPersonal(key, PLACE, changed)).toThrow()
    }
    for (const length of [0, 12, 27, ciphertext.length - 1])
      expect(() => decryptPersonal(key, PLACE, ciphertext.subarray(0, length))).toThrow()
  })

  test('is sealed under the newest secret, for this user only, and lost without it', () => {
    const made = newPersonalKey(keyring, USER)
    expect(made.secretId).toBe('k2')
    expect(made.sealed.length).toBe(60)
    expect(() => openPersonalKey(keyring, 'usr_2', made)).toThrow()
    expect(() => openPersonalKey(testKeyring('k1'), USER, made)).toThrow('not configured')
    expect(() => openPersonalKey(keyring, USER, { ...made, secretId: 'k1' })).toThrow()
  })

  test('is known to its event by the SHA-256 of the ciphertext', () => {
    const ciphertext = Buffer.from('abc')
    expect(hashOfCiphertext(ciphertext)).toBe(createHash('sha256').update('abc').digest('hex'))
  })
})

describe('the digests of an external id', () => {
  const hex = (accountId: string, externalId: string, ids = ['k2', 'k1']) =>
    identitiesOf(testKeyring(...ids), accountId, externalId).map(({ digest }) => digest.toString('hex'))

  test('are the same each time, one under each secret', () => {
    expect(hex('acct_1', 'a@b.c')).toEqual(hex('acct_1', 'a@b.c'))
    expect(new Set(hex('acct_1', 'a@b.c')).size).toBe(2)
    expect(hex('acct_1', 'a@b.c')[1]).toBe(hex('acct_1', 'a@b.c', ['k1'])[0])
  })

  test('differ by case, by space, by Unicode form and by account', () => {
    const all = ['a@b.c', 'A@b.c', 'a@b.c ', 'é', 'e\u0301'].flatMap((id) => [
      ...hex('acct_1', id),
      ...hex('acct_2', id),
    ])
    expect(new Set(all).size).toBe(20)
  })
})
