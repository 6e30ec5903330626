// The keys by which an identity provider signs, as it publishes them: found by discovery when the first token comes, kept, and
// asked for again when they are old or a token names one that is not among them. Asked for by one request at a time, and never
// more often than a cool-down allows, whatever tokens clients send.
import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey, type LocalJWKSet } from 'jose'
import type { BaseLogger } from 'pino'
import { z } from 'zod'
import { mayBeAsked } from './issuer-url.ts'

export type IssuerKeysParts = {
  readonly issuer: string
  readonly log: BaseLogger
  /** For tests: milliseconds that only grow. */
  readonly nowMs?: () => number
}

/** There are none that could be trusted now. */
export class KeysUnavailableError extends Error {
  override readonly name = 'KeysUnavailableError'
}

/** A key that was withdrawn counts no longer than that. */
export const FRESH_MS = 600_000
/** And no longer than that where the provider can't be asked. */
export const TRUSTED_MS = 3_600_000
/** Between two questions: a new key is published well before it is used. */
export const COOL_DOWN_MS = 30_000
/** The same after one that failed: users are waiting. */
export const RETRY_MS = 10_000
/** For both documents together. */
const TIMEOUT_MS = 4_000
/** Of one document: providers publish a few KiB. */
const DOCUMENT_BYTES_MAX = 262_144

const DISCOVERY = z.object({ issuer: z.string(), jwks_uri: z.string() })
/** Keys of kinds that nobody here knows are passed over, not refused: see RFC 7517, section 5. */
const KEYS = z.object({ keys: z.array(z.looseObject({})).max(100) })

/** Gives the key that a token's head names; throws an error of jose where there is none, or KeysUnavailableError. */
export function issuerKeys({ issuer, log, nowMs = () => performance.now() }: IssuerKeysParts): JWTVerifyGetKey {
  let known: { readonly keys: LocalJWKSet; readonly since: number } | undefined
  let waitUntil = Number.NEGATIVE_INFINITY
  let asking: Promise<void> | undefined

  const isKnownFor = (ms: number) => known !== undefined && nowMs() - known.since < ms

  /** Never rejects: what is known stays. */
  function ask(): Promise<void> {
    if (asking === undefined && nowMs() < waitUntil) return Promise.resolve()
    asking ??= fetchKeys(issuer)
      .then(
        (keys) => {
          known = { keys, since: nowMs() }
          waitUntil = nowMs() + COOL_DOWN_MS
        },
        (error: unknown) => {
          log.warn({ issuer, reason: reasonOf(error) }, 'the keys of the identity provider could not be read')
          waitUntil = nowMs() + RETRY_MS
        },
      )
      .finally(() => {
        asking = undefined
      })
    return asking
  }

  return async (header, token) => {
    if (!isKnownFor(FRESH_MS)) await ask()
    const before = known
    if (before === undefined || !isKnownFor(TRUSTED_MS)) throw new KeysUnavailableError()
    try {
      return await before.keys(header, token)
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error
      await ask()
      if (known === undefined || known === before) throw error
      return known.keys(header, token)
    }
  }
}

class ProviderError extends Error {
  override readonly name = 'ProviderError'
}

async function fetchKeys(issuer: string): Promise<LocalJWKSet> {
  const signal = AbortSignal.timeout(TIMEOUT_MS)
  const discovery = DISCOVERY.safeParse(await fetchJson(discoveryOf(issuer), signal))
  if (!discovery.success) throw new ProviderError('its discovery document lacks issuer or jwks_uri')
  const { issuer: told, jwks_uri: address } = discovery.data
  // Else whoever could place one document anywhere below the issuer's host would sign for it.
  if (told !== issuer) throw new ProviderError('its discovery document is of another issuer')
  if (!mayBeAsked(address) || (issuer.startsWith('https:') && !address.startsWith('https:')))
    throw new ProviderError('its jwks_uri is not an https URL')
  const keys = KEYS.safeParse(await fetchJson(address, signal))
  if (!keys.success) throw new ProviderError('what is at its jwks_uri is no JWK set')
  return createLocalJWKSet(keys.data as JSONWebKeySet)
}

/** As OpenID Connect Discovery 1.0 says, section 4: below the issuer, which may end with a slash. */
function discoveryOf(issuer: string): string {
  return `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`
}

async function fetchJson(address: string, signal: AbortSignal): Promise<unknown> {
  const response = await fetch(address, { signal, redirect: 'error', headers: { accept: 'application/json' } })
  if (response.status !== 200) {
    await response.body?.cancel()
    throw new ProviderError(`it answers ${response.status} at ${address}`)
  }
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length
    if (bytes > DOCUMENT_BYTES_MAX)
      throw new ProviderError(`it answers more than ${DOCUMENT_BYTES_MAX} bytes at ${address}`)
    chunks.push(chunk)
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'))
  } catch {
    throw new ProviderError(`it does not answer JSON at ${address}`)
  }
}

/** What fetch says by itself is no more than `fetch failed`. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const cause = error.cause instanceof Error ? `: ${error.cause.message || error.cause.name}` : ''
  return `${error.message}${cause}`
}
