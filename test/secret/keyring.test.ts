// The secrets of the server: what is read, what is refused, and that no refusal tells any of it.
import { randomBytes } from 'node:crypto'
import { inspect } from 'node:util'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { checkValueOf } from '#secret/check-value.ts'
import { type Keyring, newKeyringText, parseKeyring } from '#secret/keyring.ts'
import vectors from './vectors.json' with { type: 'json' }

const { text, entries } = vectors.keyring
const A = Buffer.alloc(32, 1).toString('base64')
const B = Buffer.alloc(32, 2).toString('base64')

function keyringFrom(source: string): Keyring {
  const result = parseKeyring(source)
  if (!result.ok) throw new Error(result.problems.join('; '))
  return result.keyring
}

function problemsWith(source: string): readonly string[] {
  const result = parseKeyring(source)
  return result.ok ? [] : result.problems
}

describe('a keyring', () => {
  test('keeps its entries in order, the first being the newest', () => {
    const keyring = keyringFrom(text)
    expect(keyring.all.map(({ id }) => id)).toEqual(['k2', 'k1'])
    expect(keyring.newest).toBe(keyring.all[0])
    expect(keyring.byId('k1')).toBe(keyring.all[1])
  })

  test('has no entry under an id that is not configured', () => {
    const keyring = keyringFrom(text)
    for (const id of ['k3', '', 'K1', 'constructor', '__proto__']) expect(keyring.byId(id)).toBeUndefined()
  })

  test('derives the keys that were frozen', () => {
    const keyring = keyringFrom(text)
    for (const frozen of entries) {
      const entry = keyring.byId(frozen.id)!
      expect(entry.seal.export().toString('hex')).toBe(frozen.seal)
      expect(checkValueOf(entry).toString('hex')).toBe(frozen.checkValue)
    }
  })

  test('has another key for every use, none of them the value itself', () => {
    const { pepper, seal, mac, idempotency, fingerprint, check } = keyringFrom(`k:${A}`).newest
    const keys = [pepper, seal, mac, idempotency, fingerprint, check].map((key) => key.export().toString('base64'))
    expect(new Set([...keys, A]).size).toBe(7)
    expect(keys.map((key) => Buffer.from(key, 'base64').length)).toEqual([32, 32, 32, 32, 32, 32])
  })

  test('can not be changed', () => {
    const keyring = keyringFrom(text)
    expect(Object.isFrozen(keyring) && Object.isFrozen(keyring.all) && Object.isFrozen(keyring.newest)).toBe(true)
  })

  test('prints neither a value nor a key', () => {
    const keyring = keyringFrom(text)
    const printed = inspect(keyring, { depth: null, showHidden: true, getters: true }) + JSON.stringify(keyring)
    for (const source of text.split(',')) {
      const value = Buffer.from(source.slice(source.indexOf(':') + 1), 'base64')
      expect(printed).not.toContain(value.toString('base64'))
      expect(printed).not.toContain(value.toString('hex').slice(0, 16))
    }
    for (const { pepper } of keyring.all) expect(printed).not.toContain(pepper.export().toString('hex').slice(0, 16))
    expect(printed).not.toContain('Buffer')
  })

  test('may have space and line breaks around its entries, as a file has', () => {
    expect(keyringFrom(` a:${A} ,\n b:${B}\n`).all.map(({ id }) => id)).toEqual(['a', 'b'])
  })
})

describe('a new keyring text', () => {
  test('is read as one entry, and is another every time', () => {
    expect(keyringFrom(newKeyringText()).all).toHaveLength(1)
    expect(keyringFrom(newKeyringText('2026-11')).newest.id).toBe('2026-11')
    expect(new Set(Array.from({ length: 100 }, () => newKeyringText())).size).toBe(100)
  })

  test('is not made under an ill-formed id', () => {
    expect(() => newKeyringText('K 1')).toThrow('Invariant broken')
  })
})

describe('what is refused', () => {
  test.each([
    ['nothing', '', ['entry 1 is empty']],
    ['a trailing comma', `a:${A},`, ['entry 2 is empty']],
    ['no colon', A, ['entry 1 has no colon between id and value']],
    ['an empty id', `:${A}`, ['entry 1 has an id that is not 1 to 32 of a-z, 0-9 and -']],
    ['an upper case id', `K1:${A}`, ['entry 1 has an id that is not 1 to 32 of a-z, 0-9 and -']],
    ['a long id', `${'a'.repeat(33)}:${A}`, ['entry 1 has an id that is not 1 to 32 of a-z, 0-9 and -']],
    ['an empty value', 'a:', ['entry 1 has a value that is not 32 bytes in base64 (44 characters)']],
    ['31 bytes', `a:${Buffer.alloc(31).toString('base64')}`, [expect.stringContaining('32 bytes')]],
    ['33 bytes', `a:${Buffer.alloc(33).toString('base64')}`, [expect.stringContaining('32 bytes')]],
    ['64 bytes', `a:${Buffer.alloc(64).toString('base64')}`, [expect.stringContaining('32 bytes')]],
    ['hexadecimal', `a:${Buffer.alloc(32, 7).toString('hex')}`, [expect.stringContaining('32 bytes')]],
    ['base64url', `a:${Buffer.alloc(32, 255).toString('base64url')}=`, [expect.stringContaining('32 bytes')]],
    ['no padding', `a:${A.slice(0, -1)}`, [expect.stringContaining('32 bytes')]],
    ['stray bits in the last digit', `a:${A.slice(0, -2)}F=`, [expect.stringContaining('32 bytes')]],
    ['text between the digits', `a:${A.slice(0, 9)}!${A.slice(9)}`, [expect.stringContaining('32 bytes')]],
    ['the same id twice', `a:${A},b:${B},a:${newValue()}`, ['entry 3 has the same id as entry 1']],
    ['the same value twice', `a:${A},b:${A}`, ['entry 2 has the same value as entry 1']],
  ])('%s', (_name, source, problems) => {
    expect(problemsWith(source)).toEqual(problems)
  })

  test('is listed all at once', () => {
    expect(problemsWith(`A:x,b:${A},,b:${A}`)).toEqual([
      'entry 1 has an id that is not 1 to 32 of a-z, 0-9 and -',
      'entry 1 has a value that is not 32 bytes in base64 (44 characters)',
      'entry 3 is empty',
      'entry 4 has the same id as entry 2',
      'entry 4 has the same value as entry 2',
    ])
  })

  test('is more than 32 entries', () => {
    const many = (count: number) => Array.from({ length: count }, (_, at) => `k${at}:${newValue()}`).join()
    expect(keyringFrom(many(32)).all).toHaveLength(32)
    expect(problemsWith(many(33))).toEqual(['there are 33 entries; at most 32 are allowed'])
  })

  test('is never told: no part of what was given is in a problem, wherever it stood', () => {
    const marker = 'deadbeefcafe4711'
    const shapes = ['M', 'M:', ':M', 'M:M', 'a:M', 'M:b', 'a:M,a:M', 'M,M', `a:${A},M`, 'a:M:M', ',M,']
    for (const shape of shapes) {
      const problems = problemsWith(shape.replaceAll('M', marker))
      expect(problems.length, shape).toBeGreaterThan(0)
      expect(problems.join(), shape).not.toContain(marker)
    }
    fc.assert(
      fc.property(fc.array(fc.base64String({ minLength: 16, maxLength: 64 }), { minLength: 1 }), (values) => {
        const problems = problemsWith(values.map((value) => `id:${value}`).join()).join()
        for (const value of values) expect(problems).not.toContain(value)
      }),
    )
  })

  test('is refused without an exception, whatever it is', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.nat(0xffff).map((unit) => String.fromCharCode(unit)), maxLength: 300 }),
        (source) => {
          expect(parseKeyring(source).ok).toBe(false)
        },
      ),
    )
  })
})

describe('a check value', () => {
  test('is the same for the same secret, wherever it stands in the list', () => {
    const [one, two] = [keyringFrom(`a:${A}`), keyringFrom(`b:${B},a:${A}`)]
    expect(checkValueOf(one.byId('a')!)).toEqual(checkValueOf(two.byId('a')!))
  })

  test('is another for another secret and for another id', () => {
    const values = [`a:${A}`, `a:${B}`, `b:${A}`].map((source) =>
      checkValueOf(keyringFrom(source).newest).toString('hex'),
    )
    expect(new Set(values).size).toBe(3)
    expect(values.map((value) => value.length)).toEqual([64, 64, 64])
  })

  test('is none of the keys', () => {
    const { newest } = keyringFrom(`a:${A}`)
    const value = checkValueOf(newest).toString('hex')
    for (const key of [newest.pepper, newest.seal, newest.mac, newest.idempotency, newest.fingerprint, newest.check]) {
      expect(key.export().toString('hex')).not.toBe(value)
    }
  })
})

function newValue(): string {
  return randomBytes(32).toString('base64')
}
