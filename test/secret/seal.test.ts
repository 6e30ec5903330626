import { describe, expect, test } from 'vitest'
import { SealBrokenError, seal, unseal } from '#secret/seal.ts'
import { Secret } from '#secret/secret.ts'
import { testKeyring } from '#test/support/services.ts'

const CODE = 'code_0000000000000000000001'
const PLAINTEXT = 'a secret with ümlauts, " and \\ \u{1f511}'
const keyring = testKeyring('k1')
const sealed = seal(keyring, new Secret(PLAINTEXT), CODE)

describe('a seal', () => {
  test('is opened by the server that made it, for the code it was made for', () => {
    expect(unseal(keyring, sealed, CODE).reveal()).toBe(PLAINTEXT)
  })

  test('is opened under an older secret of the server too, and made under the newest', () => {
    const both = testKeyring('k2', 'k1')
    expect(unseal(both, sealed, CODE).reveal()).toBe(PLAINTEXT)
    const newer = seal(both, new Secret(PLAINTEXT), CODE)
    expect(newer.secretId).toBe('k2')
    expect(unseal(both, newer, CODE).reveal()).toBe(PLAINTEXT)
  })

  test('tells nothing but the length of what is in it', () => {
    expect(sealed.ciphertext.length).toBe(Buffer.byteLength(PLAINTEXT) + 16)
    expect(sealed.ciphertext.includes('secret')).toBe(false)
    const again = seal(keyring, new Secret(PLAINTEXT), CODE)
    expect(again.nonce).toHaveLength(12)
    expect([again.nonce.equals(sealed.nonce), again.ciphertext.equals(sealed.ciphertext)]).toEqual([false, false])
  })

  test('is not opened for another code', () => {
    expect(() => unseal(keyring, sealed, `${CODE.slice(0, -1)}2`)).toThrow(SealBrokenError)
  })

  test('is not opened with any bit changed, or cut', () => {
    const { nonce, ciphertext } = sealed
    for (const [name, bytes] of Object.entries({ nonce, ciphertext }))
      for (let index = 0; index < bytes.length; index++) {
        const changed = Buffer.from(bytes)
        changed[index]! ^= 1 << (index % 8)
        expect(() => unseal(keyring, { ...sealed, [name]: changed }, CODE)).toThrow(SealBrokenError)
      }
    for (const length of [0, 1, 15, 16, ciphertext.length - 1])
      expect(() => unseal(keyring, { ...sealed, ciphertext: ciphertext.subarray(0, length) }, CODE)).toThrow(
        SealBrokenError,
      )
  })

  test('is not opened under another secret of the server, nor under one that is not configured', () => {
    expect(() => unseal(testKeyring('k2', 'k1'), { ...sealed, secretId: 'k2' }, CODE)).toThrow(SealBrokenError)
    expect(() => unseal(testKeyring('k2'), sealed, CODE)).toThrow('The secret k1 of the seal')
  })

  test('says of its breaking which code it was, and nothing of what is in it', () => {
    let error: unknown
    try {
      unseal(keyring, { ...sealed, nonce: Buffer.alloc(12) }, CODE)
    } catch (thrown) {
      error = thrown
    }
    expect(String((error as Error).stack)).toContain(CODE)
    expect(JSON.stringify([String(error), (error as Error).cause ?? null])).not.toContain('secret with')
  })
})
