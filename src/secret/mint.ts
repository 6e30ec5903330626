// Makes generated secrets.
import { invariant } from '#domain/invariant.ts'
import { type RandomDigits, randomDigits } from './random.ts'
import { Secret } from './secret.ts'
import { formatToken, parseToken, RANDOM_DIGITS, SHORT_ID_DIGITS } from './token.ts'

/** A new secret with 190 bits of randomness in its 32 secret digits. The prefix is a keyspace's, hence well-formed. */
export function mintSecret(prefix: string, random: RandomDigits = randomDigits): Secret {
  const shortId = random(SHORT_ID_DIGITS)
  return new Secret(formatToken({ prefix, shortId, random: random(RANDOM_DIGITS) }))
}

/** A hint for a caller's own secret, of which nothing may be stored or shown: random digits, as a generated one would have. */
export function newHint(prefix: string, random: RandomDigits = randomDigits): string {
  return `${prefix}_${random(SHORT_ID_DIGITS)}`
}

/** The hint of a generated secret, the one part of it that may be stored and shown. */
export function hintOf(minted: Secret): string {
  const token = parseToken(minted.reveal())
  invariant(token !== undefined, 'only a generated secret has a hint of its own')
  return token.hint
}
