// Who calls this API. Codes of management keys are its credentials, judged like any other secret; beside them there is the
// one root key.
import { send, statement } from '#database/connect.ts'
import { type Caller, callerOfUser } from '#domain/caller.ts'
import { effectivePermissions } from '#domain/grant.ts'
import { later } from '#domain/instant.ts'
import { MANAGEMENT_RULES } from '#domain/keyspace/rules.ts'
import { judge } from '#domain/verdict.ts'
import { digestsOf } from '#secret/digest.ts'
import { parseToken, SECRET_LENGTH_MAX } from '#secret/token.ts'
import type { ServingServices } from '#usage/services.ts'
import { matchCodes } from './candidates.ts'

const BEARER = /^Bearer +([\x21-\x7e]+) *$/i

/** The caller that an `Authorization` header proves; undefined where it is absent or proves nobody. */
export async function authenticate(
  services: ServingServices,
  authorization: string | undefined,
): Promise<Caller | undefined> {
  const credential = BEARER.exec(authorization ?? '')?.[1]
  if (credential === undefined || credential.length > SECRET_LENGTH_MAX) return undefined
  // A configured root key may have any form, but only management keys have theirs: their secrets are generated, never a
  // caller's own, and an own one never has the form of a generated one.
  return parseToken(credential)?.prefix === MANAGEMENT_RULES.prefix
    ? managementKey(services, credential)
    : rootKey(services, credential)
}

async function managementKey({ database, keyring, clock, uses }: ServingServices, credential: string) {
  const [matches = []] = await matchCodes(database, keyring, [{ secret: credential, place: null }])
  const matched = matches.find((code) => code.management)
  if (matched === undefined) return undefined
  const now = later(clock.now(), matched.updatedAt)
  const { code } = judge(matched, { permission: null, endpoint: null, hasUpstreamUser: false }, now)
  if (code !== 'VALID') return undefined
  uses.record(matched, now)
  const { keyId, accountId, key, user } = matched
  const permissions = effectivePermissions(key.grants)
  return user === null ? ({ kind: 'KEY', keyId, accountId, permissions } as const) : callerOfUser(user, permissions)
}

/** Read from the database each time, so that a replaced root key stops at once on every instance. */
async function rootKey({ database, keyring }: ServingServices, credential: string) {
  const digests = digestsOf(keyring, credential).map(({ digest }) => digest)
  const rows = await send(database.pool, statement('SELECT 1 FROM vault.root_key WHERE digest = ANY ($1)', [digests]))
  return rows.length > 0 ? ({ kind: 'ROOT' } as const) : undefined
}
