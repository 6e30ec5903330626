// The secrets of the server (KEYLEDGER_SECRETS) and the keys derived from them. The values themselves are dropped after
// derivation, and the keys are held as KeyObjects, which nothing prints and which HMAC takes without importing them anew; the pepper also as the two
// blocks that text-mac.ts hashes.
import { createSecretKey, hkdfSync, type KeyObject, randomBytes } from 'node:crypto'
import { invariant } from '#domain/invariant.ts'
import { type TextMac, textMacUnder } from './text-mac.ts'

/** One secret of the server. Each key has one use, so that nothing made for one can be passed off as another. */
export type KeyringEntry = {
  readonly id: string
  /** Digests of codes' secrets. */
  readonly pepper: KeyObject
  /** The same, of those that are presented: thousands a second. */
  readonly presented: TextMac
  /** AES-256-GCM of revealable secrets, and of the keys of users' personal data. */
  readonly seal: KeyObject
  /** HMAC of events. */
  readonly mac: KeyObject
  /** HMAC of idempotency keys. */
  readonly idempotency: KeyObject
  /** HMAC of the inputs of idempotent requests. */
  readonly fingerprint: KeyObject
  /** HMAC of users' external ids. */
  readonly identity: KeyObject
  /** What is stored to recognise the secret again. */
  readonly check: KeyObject
}

export type Keyring = {
  /** Everything new is made under this one. */
  readonly newest: KeyringEntry
  /** Newest first, never empty. */
  readonly all: readonly KeyringEntry[]
  /** Undefined for an id that is not configured. */
  readonly byId: (id: string) => KeyringEntry | undefined
}

export type KeyringResult =
  | { readonly ok: true; readonly keyring: Keyring }
  | { readonly ok: false; readonly problems: readonly string[] }

const VALUE_BYTES = 32
/** Every verification makes a digest under each, some 1 µs apiece. */
const ENTRIES_MAX = 32
const ID_PATTERN = /^[a-z0-9-]{1,32}$/

type Parsed = { readonly id: string | undefined; readonly value: Buffer | undefined }

/**
 * Reads `id:base64,…`, newest first, space around the entries aside. Lists every problem at once, by the entry's number
 * only: even what stands where an id should may be a secret in the wrong place.
 */
export function parseKeyring(text: string): KeyringResult {
  const entries = text.split(',')
  if (entries.length > ENTRIES_MAX) {
    return { ok: false, problems: [`there are ${entries.length} entries; at most ${ENTRIES_MAX} are allowed`] }
  }
  const parsed = entries.map(parseEntry)
  const problems = [
    ...parsed.flatMap((entry, at) =>
      problemsOf(entry, entries[at] ?? '').map((problem) => `entry ${at + 1} ${problem}`),
    ),
    ...repeated(
      parsed.map((entry) => entry.id),
      'id',
    ),
    ...repeated(
      parsed.map((entry) => entry.value?.toString('hex')),
      'value',
    ),
  ]
  if (problems.length > 0) return { ok: false, problems }
  return { ok: true, keyring: keyringOf(parsed.map(({ id, value }) => entryOf(id, value))) }
}

/** A keyring text of one new random value, whose id is `id`. To be kept as carefully as the database itself. */
export function newKeyringText(id = 'k1'): string {
  invariant(ID_PATTERN.test(id), 'the id of a secret is well-formed')
  return `${id}:${randomBytes(VALUE_BYTES).toString('base64')}`
}

function parseEntry(entry: string): Parsed {
  const trimmed = entry.trim()
  const colon = trimmed.indexOf(':')
  if (colon < 0) return { id: undefined, value: undefined }
  const id = trimmed.slice(0, colon)
  return { id: ID_PATTERN.test(id) ? id : undefined, value: parseValue(trimmed.slice(colon + 1)) }
}

/** Buffer.from skips what is not base64, and would make a weak value of a mistyped one: only the canonical text is read. */
function parseValue(text: string): Buffer | undefined {
  const value = Buffer.from(text, 'base64')
  return value.length === VALUE_BYTES && value.toString('base64') === text ? value : undefined
}

function problemsOf({ id, value }: Parsed, entry: string): readonly string[] {
  if (entry.trim() === '') return ['is empty']
  if (!entry.includes(':')) return ['has no colon between id and value']
  return [
    ...(id === undefined ? ['has an id that is not 1 to 32 of a-z, 0-9 and -'] : []),
    ...(value === undefined ? [`has a value that is not ${VALUE_BYTES} bytes in base64 (44 characters)`] : []),
  ]
}

/** The same id twice is ambiguous; the same value under two ids looks like a rotation and is none. */
function repeated(texts: readonly (string | undefined)[], what: string): readonly string[] {
  return texts.flatMap((text, at) => {
    const first = texts.indexOf(text)
    return text !== undefined && first < at ? [`entry ${at + 1} has the same ${what} as entry ${first + 1}`] : []
  })
}

function entryOf(id: string | undefined, value: Buffer | undefined): KeyringEntry {
  invariant(id !== undefined && value !== undefined, 'a keyring without problems is complete')
  const pepper = derive(value, 'pepper')
  return Object.freeze({
    id,
    pepper,
    presented: textMacUnder(pepper),
    seal: derive(value, 'seal'),
    mac: derive(value, 'mac'),
    idempotency: derive(value, 'idempotency'),
    fingerprint: derive(value, 'fingerprint'),
    identity: derive(value, 'identity'),
    check: derive(value, 'check'),
  })
}

/** HKDF-SHA-256, no salt, as the value is uniformly random. The labels are permanent: what is stored hangs on them. */
function derive(value: Buffer, label: string): KeyObject {
  return createSecretKey(Buffer.from(hkdfSync('sha256', value, '', `keyledger/v1/${label}`, VALUE_BYTES)))
}

function keyringOf(all: readonly KeyringEntry[]): Keyring {
  const [newest] = all
  invariant(newest !== undefined, 'a keyring is never empty')
  const entries = new Map(all.map((entry) => [entry.id, entry]))
  return Object.freeze({ newest, all: Object.freeze([...all]), byId: (id: string) => entries.get(id) })
}
