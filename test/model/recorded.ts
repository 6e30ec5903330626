// What the product said of things at moments of a life, held afterwards against what it says of those moments.
import { expect } from 'vitest'
import type { TestApp } from '#test/support/app.ts'

/** What was seen of a thing at an instant, after all that happened in that millisecond. */
export type Recorded = Map<
  string,
  { readonly thing: Thing; readonly id: string; readonly at: string; readonly seen: unknown }
>

const NOW = 'status version updatedAt'
const CODE =
  'id slot hint description status enabled issuedAt expiresAt replacedAt overlapEndsAt deletedAt replacedBy { id }'
const POLICY = 'id name description permissions endpoints { methods path } deletedAt version'
const USER = 'id role permissions removedAt version'
const KEYSPACE = `id name deletedAt version rules { prefix activeKeysMax liveCodesMax codesAtCreation codeLifetimeDays customSecrets
  codeLifetimeDaysMax expiryRequired codeDeletion secretDisplay authorizations policyRequired managedBy defaultKeys upstreamUserRequired }`
const FIELDS = {
  key: `id name description tags metadata permissions enabled ${NOW} expiresAt deletedAt isDefault authorizationsFrozen
    effectivePermissions revocation { at reason note by { kind actorId } } account { id name } keyspace { ${KEYSPACE} }
    policies { ${POLICY} } owner { ${USER} } actsAs { ${USER} } codes { ${CODE} } all: codes(retired: true) { ${CODE} }
    rotations { totalCount nodes { id rotatedAt overlapEndsAt retired { id status } replacement { id status } } }`,
  keyspace: KEYSPACE,
  policy: POLICY,
  user: USER,
  link: `id keyId keyName active unlinkedAt version keyspace { id name } policies { ${POLICY} }`,
} as const
type Thing = keyof typeof FIELDS

const THINGS: Readonly<Record<string, Thing>> = { key: 'key', ks: 'keyspace', pol: 'policy', usr: 'user', lnk: 'link' }

async function look(app: TestApp, thing: Thing, id: string, at: string | null): Promise<unknown> {
  const document = `query ($id: ID!, $at: DateTime) { ${thing}(id: $id, at: $at) { ${FIELDS[thing]} } }`
  return (await app.ask<Record<string, unknown>, object>(document, { id, at }))[thing]
}

/** What has just happened, and each of these things as it is now. */
export async function record(recorded: Recorded, app: TestApp, happened: readonly object[], ids: readonly string[]) {
  const at = app.clock.now()
  if (happened.length > 0) for (const [name, known] of recorded) if (known.at === at) recorded.delete(name)
  for (const id of new Set(ids)) {
    const thing = THINGS[id.split('_')[0] ?? '']
    if (thing !== undefined) recorded.set(`${id} ${at}`, { thing, id, at, seen: await look(app, thing, id, null) })
  }
}

/** Whatever was seen is told again of the moment at which it was, and nothing before there was anything. */
export async function agreeOnThePast(recorded: Recorded, app: TestApp): Promise<number> {
  for (const { thing, id, at, seen } of recorded.values()) expect(await look(app, thing, id, at)).toEqual(seen)
  return recorded.size
}
