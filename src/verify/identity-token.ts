// Tokens of the organisation's identity provider: whether one is genuine, for us and in time, and whom it names.
import { decodeJwt, errors, jwtVerify } from 'jose'
import type { BaseLogger } from 'pino'
import { epochMsOf, INSTANT_MAX, type Instant, instantOf, SECOND_MS } from '#domain/instant.ts'
import { issuerKeys } from './issuer-keys.ts'

/** Tokens of the organisation's identity provider. */
export type IdentityTokens = {
  /** The external id in a token that is good at that instant; undefined for any other. Never rejects. */
  userNamedBy(token: string, now: Instant): Promise<NamedUser | undefined>
}

/** `expiresAt`: of the token, to the letter. */
export type NamedUser = { readonly externalId: string; readonly expiresAt: Instant }

export type IdentityProvider = {
  /** As its tokens and its discovery document write it, to the letter. */
  readonly issuer: string
  /** What its tokens for this API are made out to. */
  readonly audience: string
  /** The claim that holds a user's external id. */
  readonly userClaim: string
}

export type IdentityTokensParts = {
  readonly provider: IdentityProvider
  readonly log: BaseLogger
  /** For tests. */
  readonly nowMs?: () => number
}

/** With asymmetric keys only: by a symmetric one, who verifies could sign, and a published key would be taken for a secret. */
export const ALGORITHMS = 'RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA Ed25519'.split(' ')
/** Clocks of the provider and ours may differ by so much. */
export const CLOCK_TOLERANCE_SECONDS = 60
/** Some providers list hundreds of groups; whole heads of requests have 16 KiB. */
export const TOKEN_LENGTH_MAX = 8_192

/** A token of three parts, of which the first is that of a JSON object. */
const JWT = /^eyJ[\w-]*\.[\w-]+\.[\w-]+$/
/** ID tokens and access tokens. What else a provider signs for us, such as word of a logout, lets nobody in. */
const TYPES = new Set(['jwt', 'at+jwt'])
const EMAIL = 'email'

export function isJwt(credential: string): boolean {
  return JWT.test(credential)
}

export function identityTokens({ provider, log, ...parts }: IdentityTokensParts): IdentityTokens {
  const { issuer, audience, userClaim } = provider
  const keys = issuerKeys({ issuer, log, ...parts })

  async function verified(token: string, now: Instant): Promise<NamedUser> {
    // Before any key is looked for: nobody else's tokens make us ask our provider.
    if (decodeJwt(token).iss !== issuer) throw new RefusedTokenError('another issuer')
    const { payload, protectedHeader } = await jwtVerify(token, keys, {
      issuer,
      audience,
      algorithms: ALGORITHMS,
      requiredClaims: ['iss', 'aud', 'exp'],
      clockTolerance: CLOCK_TOLERANCE_SECONDS,
      currentDate: new Date(now),
    })
    const type = (protectedHeader.typ ?? 'jwt').toLowerCase().replace(/^application\//, '')
    if (!TYPES.has(type)) throw new RefusedTokenError('another type of token')
    // Anybody can claim an address. As text, as some providers write it, it is no less false.
    if (userClaim === EMAIL && String(payload.email_verified) === 'false')
      throw new RefusedTokenError('email_verified is false')
    const name = payload[userClaim]
    if (typeof name !== 'string') throw new RefusedTokenError(`the claim ${userClaim} is no text`)
    // Half a character would be replaced on the way to its digest, and be another user's then.
    if (name === '' || !name.isWellFormed()) throw new RefusedTokenError(`the claim ${userClaim} is no name`)
    return { externalId: name, expiresAt: instantOf(Math.min((payload.exp ?? 0) * SECOND_MS, epochMsOf(INSTANT_MAX))) }
  }

  return {
    async userNamedBy(token, now) {
      if (token.length > TOKEN_LENGTH_MAX || !isJwt(token)) return undefined
      try {
        return await verified(token, now)
      } catch (error) {
        log.debug({ reason: reasonOf(error) }, 'a token of the identity provider was refused')
        return undefined
      }
    },
  }
}

class RefusedTokenError extends Error {
  override readonly name = 'RefusedTokenError'
}

/** Without anything of the token: messages of others might quote it. */
function reasonOf(error: unknown): string {
  if (error instanceof RefusedTokenError) return error.message
  if (error instanceof errors.JWTClaimValidationFailed) return `the claim ${error.claim}: ${error.reason}`
  if (error instanceof errors.JOSEError) return error.code
  return error instanceof Error ? error.name : typeof error
}
