// Keys that sign checkpoints: what is read, what is refused, and that nothing prints a seed.
import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { newSigningKeyText, parseSigningKeys, parseVkey } from '#audit/note/signing-key.ts'
import { seedText, signersOf, signingKeys } from '#test/audit/support/keys.ts'

const VKEY = 'example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k'

function problemsWith(text: string): readonly string[] {
  const result = parseSigningKeys(text)
  return result.ok ? [] : result.problems
}

describe('signing keys', () => {
  test('sign as RFC 8032 says', () => {
    // Section 7.1, test 1: the empty message.
    const seed = Buffer.from('9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60', 'hex')
    const result = parseSigningKeys(seed.toString('base64'))
    const [signer] = result.ok ? result.keys.signers('a') : []
    const publicKey = Buffer.from('d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a', 'hex')
    expect(Buffer.from(signer!.vkey.slice('a+00000000+'.length), 'base64').subarray(1)).toEqual(publicKey)
    const signature = Buffer.from(signer!.sign('').split(' ')[2]!, 'base64').subarray(4)
    expect(signature.toString('hex')).toBe(
      'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
    )
  })

  test('are several, newest first, space around them aside', () => {
    const one = signersOf('a', 1)[0]!.vkey
    const two = signersOf('a', 2)[0]!.vkey
    const result = parseSigningKeys(` ${seedText(2)} , ${seedText(1)}\n`)
    expect(result.ok && result.keys.signers('a').map(({ vkey }) => vkey)).toEqual([two, one])
  })

  test('are new each time', () => {
    expect(problemsWith(newSigningKeyText())).toEqual([])
    expect(newSigningKeyText()).not.toBe(newSigningKeyText())
  })

  test.each([
    ['', ['entry 1 is empty']],
    [`${seedText(1)},`, ['entry 2 is empty']],
    ['secret', ['entry 1 has a value that is not 32 bytes in base64 (44 characters)']],
    [seedText(1).slice(0, -1), ['entry 1 has a value that is not 32 bytes in base64 (44 characters)']],
    [`${seedText(1)},${seedText(1)}`, ['entry 2 has the same value as entry 1']],
    [seedText(1, 2, 3, 4, 5, 6, 7, 8, 9), ['there are 9 entries; at most 8 are allowed']],
  ])('are refused where %j is wrong, without a word of it', (text, problems) => {
    expect(problemsWith(text)).toEqual(problems)
  })

  test('print neither a seed nor a key', () => {
    const keys = signingKeys(1)
    const [signer] = keys.signers('a')
    const printed = [keys, signer].map(
      (value) => `${inspect(value, { depth: 9, showHidden: true })}${JSON.stringify(value)}`,
    )
    const seed = Buffer.alloc(32, 1)
    for (const encoding of ['base64', 'base64url', 'hex'] as const)
      expect(printed.join()).not.toContain(seed.toString(encoding).slice(0, 20))
  })

  test.each(['', 'a b', 'a+b', 'a\u00a0b', 'a\nb', 'a\u0000'])('never sign under the name %j', (name) => {
    expect(() => signersOf(name, 1)).toThrow("a key's name")
  })
})

describe('a vkey', () => {
  test('is read as it is written', () => {
    expect(parseVkey(VKEY)).toMatchObject({ name: 'example.com/foo', id: '530d903a', vkey: VKEY })
    for (const { vkey } of signersOf('keys.example.com/audit/1', 1, 2, 3)) expect(parseVkey(vkey)?.vkey).toBe(vkey)
  })

  test('is refused with any character of it changed', () => {
    for (let at = 0; at < VKEY.length; at++) {
      const changed = VKEY.slice(0, at) + (VKEY[at] === 'a' ? 'b' : 'a') + VKEY.slice(at + 1)
      expect(parseVkey(changed)).toBeUndefined()
    }
  })

  test.each(['', 'a', 'a+b+c', `${VKEY}=`, `${VKEY} `, `x${VKEY}`, VKEY.toUpperCase()])('is not %j', (text) => {
    expect(parseVkey(text)).toBeUndefined()
  })
})
