// What the product said of things at moments of a life, held afterwards against what it says of those moments.
import { expect } from 'vitest'
import type { TestApp } from '#test/support/app.ts'
import type { Given, Question } from './api.ts'
import { type Exposures, nothingExposed } from './exposed.ts'
import type { World } from './world.ts'

/** What was seen of a thing at an instant, after all that happened in that millisecond. */
type Sight = { readonly thing: Thing; readonly id: string; readonly at: string; readonly seen: unknown }
type Answered = { readonly question: Question; readonly verdict: Given }

export type Recorded = {
  readonly things: Map<string, Sight>
  verdicts: readonly Answered[]
  readonly exposures: Exposures
}

export function nothingRecorded(): Recorded {
  return { things: new Map(), verdicts: [], exposures: nothingExposed() }
}

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
  if (happened.length > 0) {
    for (const [name, known] of recorded.things) if (known.at === at) recorded.things.delete(name)
    // A position tells the events of a millisecond apart, in the one account whose it is.
    recorded.verdicts = recorded.verdicts.filter(
      ({ verdict }) => verdict.checkedAt !== at || (verdict.position !== null && verdict.linkId === null),
    )
  }
  for (const id of new Set(ids)) {
    const thing = THINGS[id.split('_')[0] ?? '']
    if (thing !== undefined)
      recorded.things.set(`${id} ${at}`, { thing, id, at, seen: await look(app, thing, id, null) })
  }
}

/** Verdicts, to be explained once they are past. Those of others than root are asked about again in the name of their account. */
export function recordVerdicts(
  recorded: Recorded,
  accountId: string | null,
  inquiries: readonly (Question & { readonly wish?: unknown })[],
  verdicts: readonly Given[],
): void {
  const answered = verdicts.flatMap((verdict, index): Answered[] => {
    const { wish: _, ...question } = inquiries[index] as Question & { readonly wish?: unknown }
    if (accountId === null) return [{ question, verdict }]
    const isOwn = question.accountId === undefined || question.accountId === accountId
    return isOwn ? [{ question: { ...question, accountId }, verdict }] : []
  })
  recorded.verdicts = [...recorded.verdicts, ...answered]
}

/** Whatever was seen is told again of the moment at which it was. */
export async function agreeOnThePast({ things }: Recorded, app: TestApp): Promise<number> {
  for (const { thing, id, at, seen } of things.values()) expect(await look(app, thing, id, at)).toEqual(seen)
  return things.size
}

/** More in one life would be the same again. */
const EXPLAINED_MAX = 60

const DECIDING: Readonly<Record<string, readonly string[]>> = {
  REVOKED: ['key.revoked', 'key.deleted', 'code.deleted'],
  REPLACED: ['key.rotated', 'code.disabled'],
  DISABLED: ['key.created', 'key.disabled', 'code.disabled'],
  EXPIRED: ['key.created', 'key.updated', 'code.issued', 'key.rotated'],
}

/** Whatever was said of keys is explained by the same verdict, and by events that can have led to it. */
export async function agreeOnExplanations({ verdicts }: Recorded, app: TestApp, world: World): Promise<number> {
  const erased = new Set([...world.users.values()].filter((user) => user.erased).map(({ externalId }) => externalId))
  const every = Math.ceil(verdicts.length / EXPLAINED_MAX)
  const some = verdicts.filter((_, index) => index % every === 0)
  for (const { question, verdict } of some) {
    const { position, checkedAt: at } = verdict
    const input = { ...question, at, position }
    const explained = await explain(app, input)
    // Names are told as they are now, who has been erased since included.
    const nameNow = (then: string | null, now: string | null) =>
      now === '(erased)' && erased.has(then ?? '') ? now : then
    const owner = nameNow(verdict.owner, explained.verdict.owner)
    const actsAs = nameNow(verdict.actsAs, explained.verdict.actsAs)
    expect(explained.verdict).toEqual({ ...verdict, owner, actsAs })
    const types = explained.decidedBy.map(({ type }) => type)
    const isTold = verdict.code !== 'NOT_FOUND' && verdict.linkId === null
    const wanted = DECIDING[verdict.code]
    if (isTold && wanted !== undefined) expect(wanted).toContain(types.at(-1))
    if (isTold || verdict.code === 'VALID') expect(types).not.toEqual([])
    if (verdict.code === 'VALID') expect(explained.remedies).toEqual([])
    else expect(explained.remedies).not.toEqual([])
  }
  return some.length
}

type Explained = {
  readonly verdict: Given
  readonly decidedBy: readonly { readonly type: string }[]
  readonly remedies: readonly object[]
}

async function explain(app: TestApp, input: object): Promise<Explained> {
  const document = `query ($input: ExplainVerificationInput!) { explainVerification(input: $input) { verdict {
    code keyId codeId linkId accountId owner actsAs permissions expiresAt checkedAt position } decidedBy { type }
    remedies { steps { message } } } }`
  return (await app.ask<{ explainVerification: Explained }, object>(document, { input })).explainVerification
}
