// Digests, MACs and fingerprints: the frozen values, one key for each use, and what a change of secrets leaves valid.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { digestSecret, digestsOf, sameDigest } from '#secret/digest.ts'
import { fingerprint, idempotencyKeysOf } from '#secret/fingerprint.ts'
import { type Keyring, newKeyringText, parseKeyring } from '#secret/keyring.ts'
import { checkMac, macOf } from '#secret/mac.ts'
import vectors from './vectors.json' with { type: 'json' }

const frozen = vectors.keyring
const body = Buffer.from(frozen.eventBody, 'utf8')

function keyringFrom(text: string): Keyring {
  const result = parseKeyring(text)
  if (!result.ok) throw new Error(result.problems.join('; '))
  return result.keyring
}

const both = keyringFrom(frozen.text)
const olderOnly = keyringFrom(frozen.text.split(',')[1]!)

describe('a digest', () => {
  test('is as frozen under every secret of the server', () => {
    const digests = digestsOf(both, frozen.plaintext)
    expect(digests.map(({ secretId, digest }) => [secretId, digest.toString('hex')])).toEqual(
      frozen.entries.map(({ id, digest }) => [id, digest]),
    )
  })

  test('to store is the one under the newest secret', () => {
    expect(digestSecret(both, frozen.plaintext)).toEqual(digestsOf(both, frozen.plaintext)[0])
    expect(digestSecret(both, frozen.plaintext).secretId).toBe('k2')
  })

  test('is still found after a newer secret was put in front', () => {
    const stored = digestSecret(olderOnly, frozen.plaintext)
    const found = digestsOf(both, frozen.plaintext).filter(
      ({ secretId, digest }) => secretId === stored.secretId && sameDigest(digest, stored.digest),
    )
    expect(found).toHaveLength(1)
  })

  test('is another for another text', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 80 }), fc.string({ maxLength: 80 }), (a, b) => {
        expect(sameDigest(digestSecret(both, a).digest, digestSecret(both, b).digest)).toBe(a === b)
      }),
    )
  })

  test('of hostile text is made without an exception', () => {
    for (const text of ['', '\0', '\ud800', '%', "'", 'a'.repeat(1_000_000)]) {
      expect(digestsOf(both, text).map(({ digest }) => digest.length)).toEqual([32, 32])
    }
  })

  test('is compared by all its bytes and its length', () => {
    const { digest } = digestSecret(both, 'a')
    expect(sameDigest(digest, Buffer.from(digest))).toBe(true)
    for (let at = 0; at < digest.length; at++) {
      const changed = Buffer.from(digest)
      changed[at] = changed[at]! ^ 1
      expect(sameDigest(digest, changed)).toBe(false)
    }
    expect(sameDigest(digest, digest.subarray(1))).toBe(false)
    expect(sameDigest(digest, Buffer.alloc(0))).toBe(false)
    expect(sameDigest(Buffer.concat([digest, digest]), digest)).toBe(false)
  })
})

describe("an event's MAC", () => {
  test('is as frozen, under the newest secret, and checked under the one it names', () => {
    expect(macOf(both, body)).toEqual({ secretId: 'k2', mac: Buffer.from(frozen.entries[0]!.mac, 'hex') })
    for (const { id, mac } of frozen.entries) expect(checkMac(both, id, body, Buffer.from(mac, 'hex'))).toBe(true)
  })

  test('is wrong for any other body, secret or mark', () => {
    const { secretId, mac } = macOf(both, body)
    expect(checkMac(both, secretId, Buffer.concat([body, Buffer.from(' ')]), mac)).toBe(false)
    expect(checkMac(both, 'k1', body, mac)).toBe(false)
    expect(checkMac(both, secretId, body, mac.subarray(0, 31))).toBe(false)
    expect(checkMac(both, secretId, body, Buffer.alloc(0))).toBe(false)
    expect(checkMac(keyringFrom(newKeyringText('k2')), secretId, body, mac)).toBe(false)
  })

  test('is wrong, not a fault, where its secret is not configured', () => {
    const { secretId, mac } = macOf(both, body)
    expect(checkMac(olderOnly, secretId, body, mac)).toBe(false)
    // Nor is a right mark taken under a name that is none.
    expect(checkMac(both, 'k3', body, mac)).toBe(false)
  })
})

describe('an idempotency record', () => {
  const record = (keyring: Keyring, clientKey: string, input: string) => {
    const [{ secretId, key } = { secretId: '', key: Buffer.alloc(0) }] = idempotencyKeysOf(keyring, clientKey)
    return { secretId, key, fingerprint: fingerprint(keyring, secretId, input) }
  }
  const find = (keyring: Keyring, stored: ReturnType<typeof record>, clientKey: string) =>
    idempotencyKeysOf(keyring, clientKey).filter(
      ({ secretId, key }) => secretId === stored.secretId && sameDigest(key, stored.key),
    )

  test('is as frozen under every secret', () => {
    expect(
      idempotencyKeysOf(both, frozen.clientKey).map(({ secretId, key }) => [secretId, key.toString('hex')]),
    ).toEqual(frozen.entries.map(({ id, idempotencyKey }) => [id, idempotencyKey]))
    for (const entry of frozen.entries) {
      expect(fingerprint(both, entry.id, frozen.canonicalInput).toString('hex')).toBe(entry.fingerprint)
    }
  })

  test('still matches after a newer secret was put in front', () => {
    const stored = record(olderOnly, 'order-1', '{"a":1}')
    expect(stored.secretId).toBe('k1')
    expect(find(both, stored, 'order-1')).toHaveLength(1)
    expect(sameDigest(fingerprint(both, stored.secretId, '{"a":1}'), stored.fingerprint)).toBe(true)
  })

  test('does not match another key, and tells another input', () => {
    const stored = record(both, 'order-1', '{"a":1}')
    expect(find(both, stored, 'order-2')).toHaveLength(0)
    expect(sameDigest(fingerprint(both, stored.secretId, '{"a":2}'), stored.fingerprint)).toBe(false)
    // Absent differs from null.
    expect(sameDigest(fingerprint(both, 'k2', '{}'), fingerprint(both, 'k2', '{"a":null}'))).toBe(false)
  })

  test('shares a name under every secret that two instances both know, whichever they call newest', () => {
    const [k2, k1] = frozen.text.split(',')
    const reversed = keyringFrom(`${k1},${k2}`)
    const names = (keyring: Keyring) => idempotencyKeysOf(keyring, 'order-1').map(({ key }) => key.toString('hex'))
    expect(names(reversed).sort()).toEqual(names(both).sort())
    expect(names(both)).toContain(names(olderOnly)[0])
  })

  test('under a secret that is not configured is a defect', () => {
    expect(() => fingerprint(olderOnly, 'k2', '{}')).toThrow('Invariant broken')
  })
})

test('the same text has another value for every use', () => {
  const text = frozen.plaintext
  const values = [
    digestSecret(both, text).digest,
    macOf(both, Buffer.from(text, 'utf8')).mac,
    fingerprint(both, 'k2', text),
    idempotencyKeysOf(both, text)[0]!.key,
  ]
  expect(new Set(values.map((value) => value.toString('hex'))).size).toBe(4)
})
