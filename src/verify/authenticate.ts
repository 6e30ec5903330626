// Who calls this API. Codes of management keys are its credentials, judged like any other secret; beside them there are the
// one root key, and the tokens by which users sign in.
import { type Caller, callerOfUser } from '#domain/caller.ts'
import { effectivePermissions } from '#domain/grant.ts'
import { kindOf } from '#domain/ids.ts'
import { type Instant, later } from '#domain/instant.ts'
import { MANAGEMENT_RULES } from '#domain/keyspace/rules.ts'
import { judge } from '#domain/verdict.ts'
import { hexDigestsOf, sameDigest } from '#secret/digest.ts'
import { parseToken, SECRET_LENGTH_MAX } from '#secret/token.ts'
import { isJwt } from './identity-token.ts'
import { type Consistency, type VerifyingServices, type View, viewOf } from './view.ts'

const BEARER = /^Bearer +([\x21-\x7e]+) *$/i

/** A caller, and for how long the credential proves them if nothing else ends it; null: for ever. */
export type Proof = { readonly caller: Caller; readonly endsAt: Instant | null }

/**
 * The caller that an `Authorization` header proves; undefined where it is absent or proves nobody. `accountId`: the account in
 * which a token is to be somebody's; keys have their own. Rejects with UnavailableError where it can't be known.
 */
export async function authenticate(
  services: VerifyingServices,
  authorization: string | undefined,
  accountId?: string | undefined,
  view?: View,
): Promise<Caller | undefined> {
  return (await proofOf(services, authorization, accountId, view))?.caller
}

/** The same, with the credential's end, by what `view` has seen. */
export async function proofOf(
  services: VerifyingServices,
  authorization: string | undefined,
  accountId?: string | undefined,
  view: View = viewOf(services),
  consistency: Consistency = 'STRONG',
): Promise<Proof | undefined> {
  const credential = BEARER.exec(authorization ?? '')?.[1]
  if (credential === undefined) return undefined
  if (isJwt(credential)) return signedInUser(services, credential, accountId ?? '', view, consistency)
  if (credential.length > SECRET_LENGTH_MAX) return undefined
  await view.current(consistency)
  // A configured root key may have any form, but only management keys have theirs: their secrets are generated, never a
  // caller's own, and an own one never has the form of a generated one.
  return parseToken(credential)?.prefix === MANAGEMENT_RULES.prefix
    ? managementKey(services, credential, view)
    : rootKey(services, credential)
}

async function managementKey(
  { codes, clock, uses }: VerifyingServices,
  credential: string,
  view: View,
): Promise<Proof | undefined> {
  const matches = await codes.find({ secret: credential, place: null }, view)
  const matched = matches.find((code) => code.management)
  if (matched === undefined) return undefined
  const now = later(clock.now(), matched.updatedAt)
  const { code, expiresAt: endsAt } = judge(matched, { permission: null, endpoint: null, hasUpstreamUser: false }, now)
  if (code !== 'VALID') return undefined
  uses.record(matched, now)
  const { keyId, codeId, accountId, key, user } = matched
  const permissions = effectivePermissions(key.grants)
  const caller: Caller | undefined =
    user === null
      ? { kind: 'KEY', keyId, codeId, accountId, permissions }
      : callerOfUser(user, { keyId, codeId, granted: permissions })
  return caller && { caller, endsAt }
}

/** A replaced root key stops at once on every instance: it is read with every poll of the feed. */
function rootKey({ feed, keyring }: VerifyingServices, credential: string): Proof | undefined {
  const digests = hexDigestsOf(keyring, credential).map((digest) => Buffer.from(digest, 'hex'))
  const stored = feed.surroundings()?.rootKeyDigests ?? []
  const known = digests.some((digest) => stored.some((one) => sameDigest(one, digest)))
  return known ? { caller: { kind: 'ROOT' }, endsAt: null } : undefined
}

/**
 * The account's user whom the token names. Not to be there is the same everywhere: no account, no user, no more. The provider is
 * asked first, if need be, which may take its time: what the user may do is to be current after it.
 */
async function signedInUser(
  { users, clock, identityTokens }: VerifyingServices,
  token: string,
  accountId: string,
  view: View,
  consistency: Consistency,
): Promise<Proof | undefined> {
  if (identityTokens === null || kindOf(accountId) !== 'acct') return undefined
  const named = await identityTokens.userNamedBy(token, clock.now())
  if (named === undefined) return undefined
  await view.current(consistency)
  const user = await users.find(accountId, named.externalId, view)
  const caller = user && callerOfUser(user, null)
  return caller && { caller, endsAt: named.expiresAt }
}
