// The keys that sign checkpoints (Ed25519), and the public ones that verify them. The seeds never are in the database, and are held
// as KeyObjects, which nothing prints.
import { createPrivateKey, createPublicKey, hash, type KeyObject, randomBytes, sign, verify } from 'node:crypto'
import { invariant } from '#domain/invariant.ts'

/** Writes a key's signature lines under one name. */
export type Signer = {
  /** The public key with its name, as C2SP writes it; for everyone. */
  readonly vkey: string
  /** One line of a signed note, its end included. */
  sign(text: string): string
}

export type Verifier = {
  readonly name: string
  /** Eight hex digits; with the name it tells keys apart, and proves nothing. */
  readonly id: string
  readonly vkey: string
  verify(text: string, signature: Buffer): boolean
  /** The same key under another name, which whoever holds it can sign under as well. */
  under(name: string): Verifier
}

export type SigningKeys = {
  /** Newest first, never empty. Throws for what can't be a key's name: empty, or with a space or a plus. */
  readonly signers: (name: string) => readonly Signer[]
}

export type SigningKeysResult =
  | { readonly ok: true; readonly keys: SigningKeys }
  | { readonly ok: false; readonly problems: readonly string[] }

const SEED_BYTES = 32
const ID_BYTES = 4
/** Every checkpoint is signed by each. */
const KEYS_MAX = 8
/** C2SP's number of Ed25519. */
const ED25519 = Buffer.from([1])
/** What DER has before the seed, or the public key: RFC 8410. */
const PRIVATE_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex')
const PUBLIC_PREFIX = Buffer.from('302a300506032b6570032100', 'hex')

/**
 * Reads `base64,base64…`, seeds of 32 bytes, newest first, space around them aside. Lists every problem at once, by the entry's
 * number only.
 */
export function parseSigningKeys(text: string): SigningKeysResult {
  const entries = text.split(',').map((entry) => entry.trim())
  if (entries.length > KEYS_MAX)
    return { ok: false, problems: [`there are ${entries.length} entries; at most ${KEYS_MAX} are allowed`] }
  const seeds = entries.map(parseSeed)
  const problems = entries.flatMap((entry, at) => {
    const first = entries.indexOf(entry)
    if (entry === '') return [`entry ${at + 1} is empty`]
    if (seeds[at] === undefined)
      return [`entry ${at + 1} has a value that is not ${SEED_BYTES} bytes in base64 (44 characters)`]
    return first < at ? [`entry ${at + 1} has the same value as entry ${first + 1}`] : []
  })
  if (problems.length > 0) return { ok: false, problems }
  const keys = seeds.filter((seed) => seed !== undefined).map(keyPairOf)
  return { ok: true, keys: Object.freeze({ signers: (name: string) => keys.map((key) => signerOf(key, name)) }) }
}

/** The text of one new random key. To be kept apart from the database and its backups. */
export function newSigningKeyText(): string {
  return randomBytes(SEED_BYTES).toString('base64')
}

/** Undefined for what is not an Ed25519 vkey, and for one whose id does not belong to its key. */
export function parseVkey(vkey: string): Verifier | undefined {
  const match = /^([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]{44})$/.exec(vkey)
  if (match === null) return undefined
  const [, name = '', , text = ''] = match
  const bytes = Buffer.from(text, 'base64')
  const publicKey = bytes.subarray(ED25519.length)
  if (!isKeyName(name) || bytes[0] !== ED25519[0] || bytes.length !== ED25519.length + SEED_BYTES) return undefined
  if (vkeyOf(name, publicKey) !== vkey) return undefined
  const key = publicKeyOf(publicKey)
  return key && verifierOf(name, publicKey, key)
}

/** A key's name is an origin: not empty, without Unicode spaces, controls or plus. */
export function isKeyName(name: string): boolean {
  return name !== '' && !/[\s\p{White_Space}\p{Cc}+]/u.test(name) && name.isWellFormed()
}

type KeyPair = { readonly privateKey: KeyObject; readonly publicKey: Buffer }

/** Buffer.from skips what is not base64, and would make a weak seed of a mistyped one: only the canonical text is read. */
function parseSeed(text: string): Buffer | undefined {
  const seed = Buffer.from(text, 'base64')
  return seed.length === SEED_BYTES && seed.toString('base64') === text ? seed : undefined
}

function keyPairOf(seed: Buffer): KeyPair {
  const privateKey = createPrivateKey({ key: Buffer.concat([PRIVATE_PREFIX, seed]), format: 'der', type: 'pkcs8' })
  const { x } = privateKey.export({ format: 'jwk' })
  invariant(x !== undefined, 'an Ed25519 key has a public part')
  return { privateKey, publicKey: Buffer.from(x, 'base64url') }
}

function signerOf({ privateKey, publicKey }: KeyPair, name: string): Signer {
  invariant(isKeyName(name), "a key's name is not empty and has neither space nor plus")
  const id = keyIdOf(name, publicKey)
  return Object.freeze({
    vkey: vkeyOf(name, publicKey),
    sign(text: string): string {
      const signature = sign(null, Buffer.from(text, 'utf8'), privateKey)
      return `\u2014 ${name} ${Buffer.concat([id, signature]).toString('base64')}\n`
    },
  })
}

function verifierOf(name: string, publicKey: Buffer, key: KeyObject): Verifier {
  invariant(isKeyName(name), "a key's name is not empty and has neither space nor plus")
  return Object.freeze({
    name,
    id: keyIdOf(name, publicKey).toString('hex'),
    vkey: vkeyOf(name, publicKey),
    verify: (text: string, signature: Buffer) => verify(null, Buffer.from(text, 'utf8'), key, signature),
    under: (other: string) => verifierOf(other, publicKey, key),
  })
}

function publicKeyOf(bytes: Buffer): KeyObject | undefined {
  try {
    return createPublicKey({ key: Buffer.concat([PUBLIC_PREFIX, bytes]), format: 'der', type: 'spki' })
  } catch {
    return undefined
  }
}

function vkeyOf(name: string, publicKey: Buffer): string {
  const material = Buffer.concat([ED25519, publicKey]).toString('base64')
  return `${name}+${keyIdOf(name, publicKey).toString('hex')}+${material}`
}

function keyIdOf(name: string, publicKey: Buffer): Buffer {
  return hash('sha256', Buffer.concat([Buffer.from(`${name}\n`, 'utf8'), ED25519, publicKey]), 'buffer').subarray(
    0,
    ID_BYTES,
  )
}
