// Callers' own secrets in what is told to the access log. They have no shape to be known by, so of keys that can have one,
// whatever stands by itself in a text is compared with the key's codes by digest; what is sealed is looked for itself.
import { send, statement } from '#database/connect.ts'
import { shardOf } from '#domain/ids.ts'
import { hexDigestsOf } from '#secret/digest.ts'
import type { Keyring } from '#secret/keyring.ts'
import { SealBrokenError, unseal } from '#secret/seal.ts'
import { isOwnSecret } from '#secret/token.ts'
import { type Redact, readingsOf, withoutSecret } from './redact.ts'
import type { ServingServices } from './services.ts'

/** Of a key: the digests of all its codes, ended ones too, in hex, and those secrets that can be opened. */
type SecretsOfKey = { readonly digests: ReadonlySet<string>; readonly opened: readonly string[] }

/** In the place of a text that there was no time to search: it is not kept. */
export const UNSEARCHED = '[not kept: too much to search for secrets]'

type Left = { characters: number; digests: number }

/** What one call may cost, of the one thread: some 0.3 s together. A character counts each time that it is looked at. */
const SEARCH_MAX: Readonly<Left> = { characters: 8_388_608, digests: 20_000 }

// Where no such secret was ever allowed there is none. Tables in the order in which everyone locks them: see #state/rebuild.ts.
const SECRETS = `
  WITH keys AS MATERIALIZED (
    SELECT k.shard, k.key_id
      FROM unnest($1::smallint[], $2::text[]) AS wanted (shard, id)
      JOIN state.keyspace s ON s.shard = wanted.shard
      JOIN state.key k ON k.shard = wanted.shard AND k.key_id = wanted.id AND k.keyspace_id = s.keyspace_id
     WHERE (s.rules ->> 'customSecrets')::boolean
        OR EXISTS (SELECT FROM log.event e
                    WHERE e.shard = s.shard AND e.stream_id = s.keyspace_id
                      AND (e.data -> 'rules' ->> 'customSecrets')::boolean))
  SELECT c.key_id AS "keyId", c.code_id AS "codeId", encode(c.digest, 'hex') AS digest,
         v.secret_id AS "secretId", v.nonce, v.ciphertext
    FROM keys
    JOIN state.code c ON c.shard = keys.shard AND c.key_id = keys.key_id
    LEFT JOIN vault.sealed_secret v ON v.shard = c.shard AND v.code_id = c.code_id`

type Row = {
  readonly keyId: string
  readonly codeId: string
  readonly digest: string
  readonly secretId: string | null
  readonly nonce: Buffer | null
  readonly ciphertext: Buffer | null
}

/** Of those of the keys that have, or once could have, secrets of the caller's own. */
export async function findSecrets(
  { database, keyring }: ServingServices,
  keyIds: readonly string[],
): Promise<ReadonlyMap<string, SecretsOfKey>> {
  const rows = await send(database.pool, statement<Row>(SECRETS, [keyIds.map(shardOf), keyIds]))
  const byKey = [...Map.groupBy(rows, ({ keyId }) => keyId)]
  return new Map(
    byKey.map(([keyId, codes]) => [
      keyId,
      {
        digests: new Set(codes.map(({ digest }) => digest)),
        opened: codes.flatMap((code) => opened(keyring, code)),
      },
    ]),
  )
}

/** A seal that can't be opened costs nobody an entry: the digest of its code is compared anyway. */
function opened(keyring: Keyring, { codeId, secretId, nonce, ciphertext }: Row): readonly string[] {
  if (secretId === null || nonce === null || ciphertext === null) return []
  try {
    return [unseal(keyring, { secretId, nonce, ciphertext }, codeId).reveal()]
  } catch (error) {
    if (error instanceof SealBrokenError) return []
    throw error
  }
}

/** For the texts of one call, which share what it may cost. */
export function searchForSecrets(keyring: Keyring): (secrets: SecretsOfKey) => Redact {
  const left: Left = { ...SEARCH_MAX }
  const known = new Map<string, readonly string[]>()

  /** Undefined where there was not enough left. */
  function digests(word: string): readonly string[] | undefined {
    const before = known.get(word)
    if (before !== undefined) return before
    left.digests -= keyring.all.length
    if (left.digests < 0) return undefined
    const made = hexDigestsOf(keyring, word)
    known.set(word, made)
    return made
  }

  return (secrets: SecretsOfKey): Redact =>
    (text) => {
      const readings = readingsOf(text)
      for (const { length } of readings) left.characters -= length * (WORDS.length + secrets.opened.length)
      const words = wordsOf(readings, left)
      if (words === undefined) return UNSEARCHED
      const found = new Set(secrets.opened)
      for (const word of words) {
        const made = digests(word)
        if (made === undefined) return UNSEARCHED
        if (made.some((digest) => secrets.digests.has(digest))) found.add(word)
      }
      // The longest first: what takes out a part of one that holds another hides the rest.
      const longestFirst = [...found].sort((a, b) => b.length - a.length)
      return longestFirst.reduce(withoutSecret, text)
    }
}

// What ends a word, from what hardly any secret has to what many have: each may stand in a secret, and around one.
const BREAKS = ['', '"\'`<>\\\\', '&;,?#(){}|\\[\\]', '=:', '/@+.!*$^~']
const WORDS = BREAKS.map(
  (_, level) => new RegExp(`[^${BREAKS.slice(0, level + 1).join('')}\\x00-\\x20\\x7f-\\uffff]+`, 'g'),
)
/** A text in JSON or a program, from each quote to the next: what is read out of another text may not begin with one. */
const QUOTED = /(?<!\\)"(?=([^"\\]*(?:\\[\s\S][^"\\]*)*)")/g
/** Names before values, and parts of paths before the last. */
const BEFORE = /[=:/@]/g
const SUFFIXES_MAX = 16
/** The level from which a word is no more than one parameter or one text. */
const SUFFIXES_FROM = 2
const PUNCTUATION = /^[.,;:!?()]{1,4}|[.,;:!?()]{1,4}$/g
/** Of the shortest own secret. */
const SECRET_LENGTH_MIN = 16
/** Of a secret of 256 characters as \u0041 each, and some more. */
const WORD_LENGTH_MAX = 2_048

/** Whatever in them can be a caller's own secret and stands by itself; undefined where there was not enough left. */
function wordsOf(readings: readonly string[], left: Left): ReadonlySet<string> | undefined {
  const words = new Set<string>()
  for (const reading of readings) {
    for (const [level, pattern] of WORDS.entries())
      for (const [word] of reading.matchAll(pattern)) addWord(words, word, level, left)
    for (const [, quoted = ''] of reading.matchAll(QUOTED)) addReadings(words, quoted, left)
    if (left.characters < 0) return undefined
  }
  return words
}

function addWord(words: Set<string>, word: string, level: number, left: Left): void {
  if (word.length < SECRET_LENGTH_MIN) return
  addReadings(words, word, left)
  const trimmed = word.replaceAll(PUNCTUATION, '')
  if (trimmed !== word) addReadings(words, trimmed, left)
  // Before that, a word may be many values with their names.
  if (level < SUFFIXES_FROM) return
  let suffixes = 0
  for (const { index } of word.matchAll(BEFORE)) {
    if (suffixes === SUFFIXES_MAX) return
    suffixes += 1
    addReadings(words, word.slice(index + 1), left)
  }
}

function addReadings(words: Set<string>, word: string, left: Left): void {
  if (word.length < SECRET_LENGTH_MIN || word.length > WORD_LENGTH_MAX || left.characters < 0) return
  const readings = /[%\\]/.test(word) ? readingsOf(word) : [word]
  for (const reading of readings) {
    left.characters -= reading.length
    if (isOwnSecret(reading)) words.add(reading)
  }
}
