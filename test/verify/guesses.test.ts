// What a guess is told, and what it costs: the same work whatever it comes near to, and nothing where it can't be right.

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Caller } from '#domain/caller.ts'
import { mintSecret } from '#secret/mint.ts'
import { formatToken, parseToken } from '#secret/token.ts'
import { createTestDatabase, type TestDatabase } from '#test/support/database.ts'
import { type MadeAccount, type TestServices, testKeyring, testServices } from '#test/support/services.ts'
import { statementsOf } from '#test/support/statements.ts'
import { type VerifyQuestion, verifyKeys } from '#verify/verify-keys.ts'
import { tellsNothing } from './support.ts'

const ROOT: Caller = { kind: 'ROOT' }

let database: TestDatabase
let at: TestServices
let account: MadeAccount
let foreign: MadeAccount
let keyspaceId: string
let caller: Caller
beforeAll(async () => {
  database = await createTestDatabase()
  at = testServices(database.serving)
  account = await at.createAccount()
  foreign = await at.createAccount('Foreign')
  keyspaceId = await at.createKeyspace(account.accountId)
  caller = (await at.createCaller(account, ['keys.verify'])).origin.caller
})
afterAll(() => database.drop())

const nothingTold = (code: 'MALFORMED' | 'NOT_FOUND') => tellsNothing(code, at.clock.now())

describe('a guess', () => {
  const digestsIn = (values: readonly unknown[]) => (values[0] as readonly unknown[]).length

  test('costs one statement with the same digests, whether unknown, wrong, foreign or right', async () => {
    const twoSecrets = testServices(database.serving, { keyring: testKeyring('k2', 'k1'), clock: at.clock })
    const own = (await at.createKey(keyspaceId)).secrets[0] ?? ''
    const theirs = (await at.createKey(await at.createKeyspace(foreign.accountId))).secrets[0] ?? ''
    const credential = (await at.createKey(account.managementKeyspaceId)).secrets[0] ?? ''
    const shortId = parseToken(own)?.shortId ?? ''
    const wrong = formatToken({ prefix: parseToken(own)?.prefix ?? '', shortId, random: '0'.repeat(32) })
    const guesses: readonly (readonly [string, string])[] = [
      [own, 'VALID'],
      [mintSecret('key').reveal(), 'NOT_FOUND'],
      [wrong, 'NOT_FOUND'],
      [theirs, 'NOT_FOUND'],
      [credential, 'NOT_FOUND'],
    ]
    const texts = new Set<string>()
    for (const [key, code] of guesses) {
      let answer: string | undefined
      const sent = await statementsOf(async () => {
        answer = (await verifyKeys(twoSecrets, caller, [{ key }]))[0]?.code
      })
      expect(answer).toBe(code)
      expect(sent).toHaveLength(1)
      expect(sent.map(({ values }) => digestsIn(values))).toEqual([2])
      // As bytes: collated text could be equal without being the same.
      for (const digest of sent.flatMap(({ values }) => values[0] as readonly unknown[]))
        expect(digest instanceof Buffer && digest.length === 32).toBe(true)
      texts.add(sent[0]?.text ?? '')
    }
    expect(texts.size).toBe(1)
  })

  test('among a hundred costs one statement for all, and is answered in its place', async () => {
    const made = await at.createKey(keyspaceId)
    const keys = Array.from({ length: 100 }, (_, index) => {
      if (index % 10 === 0) return made.secrets[0] ?? ''
      return index % 3 === 0 ? 'malformed' : mintSecret('key').reveal()
    })
    const one: VerifyQuestion = { key: made.secrets[0] ?? '' }
    const sent = await statementsOf(async () => {
      const answers = await verifyKeys(at, ROOT, [...keys.map((key) => ({ key })), one, one])
      expect(answers.map(({ code }) => code)).toEqual([
        ...keys.map((_, index) => (index % 10 === 0 ? 'VALID' : index % 3 === 0 ? 'MALFORMED' : 'NOT_FOUND')),
        'VALID',
        'VALID',
      ])
    })
    expect(sent).toHaveLength(1)
  })

  test.each([
    ['empty', ''],
    ['quotes', `key_'; DROP TABLE state.key; --"\``],
    ['NUL', 'key_\0'],
    ['only NUL', '\0'.repeat(53)],
    ['1 MB', 'k'.repeat(1_000_000)],
    ['1 MB of underscores', '_'.repeat(1_000_000)],
    ['a lone surrogate', `key_${'\ud800'.repeat(40)}`],
    ['per cent signs', '%'.repeat(15)],
    ['a backslash', '\\x00'],
    ['full-width letters', 'ｋｅｙ_0123456789_0123456789012345678901234567890123456789'],
  ])('that is hostile (%s) is malformed and costs no statement', async (_what, key) => {
    const sent = await statementsOf(async () => {
      expect((await verifyKeys(at, caller, [{ key }]))[0]).toEqual(nothingTold('MALFORMED'))
    })
    expect(sent).toEqual([])
  })

  // It could be a caller's own secret, and is looked up as one: by its digest, in the same words as any other.
  test.each([
    ['quotes', `';DROP/**/TABLE/**/state.key;--"\``],
    ['per cent signs', '%'.repeat(53)],
    ['underscores', '_'.repeat(53)],
    ['backslashes', '\\x00\\000\\u0000\\N'],
    ['placeholders', '$1$2{{key}}:key?%s%n'],
  ])('that is hostile (%s) and could be a secret is not found by the statement that finds any', async (_what, key) => {
    const textsFor = async (asked: string) =>
      (await statementsOf(() => verifyKeys(at, caller, [{ key: asked }]))).map(({ text }) => text)
    expect(await textsFor(key)).toEqual(await textsFor(mintSecret('key').reveal()))
    expect(await verifyKeys(at, caller, [{ key }])).toEqual([nothingTold('NOT_FOUND')])
  })

  test('that is nearly right is never valid: cut, changed by a character, longer, in another case or spaced', async () => {
    const right = (await at.createKey(keyspaceId)).secrets[0] ?? ''
    const positions = Array.from(right, (_, index) => index)
    const changed = positions.flatMap((index) =>
      ['0', 'z', '_', 'é', ' ', '\0']
        .filter((character) => character !== right[index])
        .map((character) => right.slice(0, index) + character + right.slice(index + 1)),
    )
    const swapped = positions.map((index) => {
      const character = right.charAt(index)
      const other = character === character.toLowerCase() ? character.toUpperCase() : character.toLowerCase()
      return right.slice(0, index) + other + right.slice(index + 1)
    })
    const added = ['0', ' ', '\n', '\t', '\0', '_', '\u200b'].flatMap((extra) => [right + extra, extra + right])
    const guesses = [
      ...positions.map((index) => right.slice(0, index)),
      ...positions.slice(1).map((index) => right.slice(index)),
      ...changed,
      ...swapped,
      ...added,
      right.toUpperCase(),
      right + right,
      `Bearer ${right}`,
    ].filter((guess) => guess !== right)
    expect(guesses.length).toBeGreaterThan(400)
    const answers = await verifyKeys(
      at,
      ROOT,
      guesses.map((key) => ({ key })),
    )
    for (const answer of answers)
      expect(answer).toEqual(nothingTold(answer.code === 'MALFORMED' ? 'MALFORMED' : 'NOT_FOUND'))
    expect((await verifyKeys(at, ROOT, [{ key: right }]))[0]?.code).toBe('VALID')
  })

  test('with a right checksum over a changed secret is not found', async () => {
    const right = (await at.createKey(keyspaceId)).secrets[0] ?? ''
    const { prefix, shortId } = parseToken(right) ?? { prefix: '', shortId: '' }
    const random = right.slice(prefix.length + shortId.length + 2, -6)
    const guesses = Array.from(random, (character, index) => {
      const other = character === 'a' ? 'b' : 'a'
      return formatToken({ prefix, shortId, random: random.slice(0, index) + other + random.slice(index + 1) })
    })
    guesses.push(
      formatToken({ prefix: 'other', shortId, random }),
      formatToken({ prefix, shortId: '0'.repeat(10), random }),
    )
    for (const answer of await verifyKeys(
      at,
      ROOT,
      guesses.map((key) => ({ key })),
    ))
      expect(answer).toEqual(nothingTold('NOT_FOUND'))
  })
})
