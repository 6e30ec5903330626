// A mutation that is tried before it is done: what it is said to do, and what it does.
import { expect } from 'vitest'
import type { TestApp } from '#test/support/app.ts'
import { checksums } from '#test/support/plaintexts.ts'
import { type Question, verify } from './api.ts'
import { perform, type Real } from './commands.ts'
import type { Input, Mutation } from './decision.ts'
import { OF_ROLE } from './grants.ts'
import { accountAskedFor } from './requests.ts'
import type { World } from './world.ts'

/** Those that can be tried. */
export const TRIABLE: readonly Mutation[] = [
  'revokeKey',
  'deleteKey',
  'disableKey',
  'disableCode',
  'deleteCode',
  'rotateKey',
  'unlinkKey',
  'updateKey',
  'updateKeyspace',
  'updatePolicy',
  'updateLink',
  'updateUser',
  'removeUser',
  'eraseUser',
  'deletePolicy',
  'deleteKeyspace',
]

export type Sent = { readonly mutation: Mutation; readonly input: Input; readonly credential: string | null }
type Planned = {
  readonly type: string
  readonly subjectId: string | null
  readonly subjectVersion: number
  readonly actor: { readonly kind: string; readonly actorId: string | null }
  readonly follows: boolean
  readonly data: unknown
}
type Stop = {
  readonly extent: 'ALL' | 'SOME'
  readonly stopsAt: string
  readonly accessCode: { readonly id: string } | null
  readonly link: { readonly id: string } | null
}
type Tried = {
  readonly outcome: string
  readonly planned: readonly Planned[]
  readonly plannedCount: number
  readonly stops: readonly Stop[]
  readonly stopCount: number
}

export async function tryOut(app: TestApp, { mutation, input, credential }: Sent): Promise<Tried> {
  const type = `${mutation.charAt(0).toUpperCase()}${mutation.slice(1)}`
  const document = `mutation ($input: ${type}Input!) { ${mutation}(input: $input, dryRun: true) { __typename
    ... on DryRun { plannedCount planned { type subjectId subjectVersion actor { kind actorId } follows data }
      stopCount stops { extent stopsAt accessCode { id } link { id } } } ... on Error { code } } }`
  const { data, errors } = await app.execute<Record<string, Tried & { code?: string }>, object>(
    document,
    { input },
    { credential },
  )
  const told = data?.[mutation]
  const outcome = errors[0] === undefined ? (told?.code ?? 'DONE') : (errors[0].extensions?.code ?? errors[0].message)
  const { planned = [], plannedCount = 0, stops = [], stopCount = 0 } = told ?? {}
  return { outcome, planned, plannedCount, stops, stopCount }
}

/** Tries the mutation, does it, and holds the one against the other. `isReader`: whether the caller is told everything. */
export async function rehearse(world: World, real: Real, request: Sent, isReader: boolean): Promise<Tried> {
  const { app } = real
  await app.app.services.uses.flush()
  const written = await checksums(app.database.owner)
  const tried = await tryOut(app, request)
  expect(await checksums(app.database.owner)).toEqual(written)
  const heads = await headsOf(app)
  const questions = questionsIn(world, request.input)
  const before = await openIn(app, questions)
  const answer = await perform(world, real, request)
  // Whoever may read all of it may ask, and no more.
  if (answer.outcome === 'FORBIDDEN' && isReader) return tried
  expect(tried.outcome).toBe(answer.outcome)
  expectSame(tried, await eventsSince(app, heads), isReader)
  const after = await openIn(app, questions)
  const accountId = accountAskedFor(world, request.input)
  // What another account's links are worth without the key is nothing that this one is told.
  const foreign = [...world.links.values()].filter((link) => link.accountId !== accountId).map(({ id }) => id)
  expectStops(tried, before, after, app.clock.now(), isReader, new Set(foreign))
  return tried
}

const byText = (a: unknown, b: unknown) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)

function expectSame(
  { planned, plannedCount }: Tried,
  happened: readonly Omit<Planned, 'follows'>[],
  isReader: boolean,
) {
  const events = planned.map(({ follows: _, ...event }) => event)
  const own = planned.filter(({ follows }) => !follows).length
  expect(events.slice(0, own)).toEqual(happened.slice(0, own))
  expect(plannedCount).toBe(happened.length)
  // Which user's default key is made first nobody says.
  if (isReader) expect(events.slice(own).toSorted(byText)).toEqual(happened.slice(own).toSorted(byText))
}

type Head = { readonly account_id: string; readonly position: string }

async function headsOf(app: TestApp): Promise<readonly Head[]> {
  return (await app.database.owner.pool.query<Head>('SELECT account_id, position::text FROM log.account')).rows
}

/** As the product's owner finds them in the log. */
async function eventsSince(app: TestApp, heads: readonly Head[]): Promise<readonly Omit<Planned, 'follows'>[]> {
  const { rows } = await app.database.owner.pool.query<Record<string, never>>(
    `SELECT e.type, e.stream_id, e.version, e.actor_kind, e.actor_id, e.data,
            e.stream_id IN (SELECT n.stream_id FROM log.event n WHERE n.version = 1 AND n.position > h.position) AS is_new
       FROM log.event e JOIN unnest($1::text[], $2::bigint[]) AS h (account_id, position)
         ON h.account_id = e.account_id AND e.position > h.position ORDER BY e.account_id, e.position`,
    [heads.map(({ account_id }) => account_id), heads.map(({ position }) => position)],
  )
  return rows.map((row) => ({
    type: row.type as never,
    subjectId: row.is_new ? null : (row.stream_id as never),
    subjectVersion: row.version as never,
    actor: { kind: row.actor_kind as never, actorId: row.actor_id as never },
    data: withoutMade(row.data),
  }))
}

/** What is made with an event: the ids of new codes and rotations, hints and digests. */
function withoutMade(data: unknown): unknown {
  if (typeof data !== 'object' || data === null || Array.isArray(data)) return data
  const made = 'digest' in data ? ['codeId', 'hint', 'digest', 'secretId'] : ['rotationId']
  const entries = Object.entries(data).filter(([name]) => !made.includes(name))
  return Object.fromEntries(entries.map(([name, value]) => [name, name === 'replacement' ? withoutMade(value) : value]))
}

type Asked = Question & { readonly who: string }

/** Whatever anybody was granted anywhere, or is to be, of every known secret, at home and where it is linked. */
function questionsIn(world: World, { permissions: given, endpoints: limits }: Input): readonly Asked[] {
  const permissions = new Set<string | undefined>([undefined])
  const endpoints = new Map<string, Question['endpoint']>([['', undefined]])
  const frozen = [...world.keys.values()].flatMap((key) => key.frozen ?? [])
  // What is no permission is refused, and can't be asked for.
  const coming = {
    permissions: given?.filter((permission) => !/[A-Z]/.test(permission)) ?? [],
    endpoints: limits ?? [],
  }
  const policies = [...world.policies.values(), ...frozen, coming]
  const grants = [...policies, ...world.keys.values(), ...world.users.values()]
  for (const grant of grants) for (const permission of grant.permissions) permissions.add(permission.replace('*', 'zz'))
  for (const { endpoints: rules } of policies)
    for (const { methods, path } of rules)
      for (const method of methods) {
        const where = {
          method: method === '*' ? 'PURGE' : method,
          path: path.replace(':id', 'zz').replace('*', 'zz/y'),
        }
        endpoints.set(JSON.stringify(where), where)
      }
  const known = [...world.keys.values()].flatMap((key) =>
    key.codes.flatMap(({ secret }) => (secret === '' ? [] : [{ key, secret }])),
  )
  const places = known.flatMap(({ key, secret }) => [
    { key: secret, keyspaceId: key.keyspaceId },
    ...[...world.links.values()]
      .filter(({ keyId, gone }) => keyId === key.id && !gone)
      .map(({ accountId, keyspaceId }) => ({ key: secret, ...(keyspaceId ? { keyspaceId } : { accountId }) })),
  ])
  const ofRoles = Object.values(OF_ROLE)
    .flat()
    .filter((permission) => permission !== '*')
  const isManagement = (keyspaceId?: string) => world.keyspaces.get(keyspaceId ?? '')?.management === true
  return places.flatMap((place) =>
    // What a management key opens is bounded by what goes with the role of whom it acts as.
    [...permissions, ...('keyspaceId' in place && isManagement(place.keyspaceId) ? ofRoles : [])].flatMap(
      (permission) =>
        [...endpoints.values()].map((endpoint) => ({
          ...place,
          ...(permission && { permission }),
          ...(endpoint && { endpoint }),
          who: JSON.stringify(place),
        })),
    ),
  )
}

type Open = { readonly id: string; readonly expiresAt: string | null }

/** By question: the code or link that is VALID, if one is, and until when. */
async function openIn(app: TestApp, questions: readonly Asked[]): Promise<readonly (Open | undefined)[]> {
  const open: (Open | undefined)[] = []
  for (let start = 0; start < questions.length; start += 100) {
    const batch = questions.slice(start, start + 100).map(({ who: _, ...question }) => question)
    const verdicts = await verify(app, batch, app.rootKey)
    if (typeof verdicts === 'string') throw new Error(verdicts)
    for (const { code, linkId, codeId, expiresAt } of verdicts) {
      const id = linkId ?? codeId
      open.push(code === 'VALID' && id ? { id, expiresAt: expiresAt ?? null } : undefined)
    }
  }
  return open
}

function expectStops(
  { stops, stopCount }: Tried,
  before: readonly (Open | undefined)[],
  after: readonly (Open | undefined)[],
  now: string,
  isReader: boolean,
  foreign: ReadonlySet<string>,
): void {
  const lost = new Map<string, 'ALL' | 'SOME'>()
  const ends = new Map<string, string>()
  const opened = Map.groupBy(before.entries(), ([, open]) => open?.id)
  for (const [id, answers] of opened) {
    if (id === undefined || foreign.has(id)) continue
    const kept = answers.flatMap(([index]) => after[index] ?? []).filter((open) => open.id === id)
    if (kept.length < answers.length) lost.set(id, kept.length === 0 ? 'ALL' : 'SOME')
    const [[, was]] = answers as [[number, Open]]
    const end = kept[0]?.expiresAt ?? null
    if (end !== null && (was.expiresAt === null || end < was.expiresAt)) ends.set(id, end)
  }
  const known = new Set(opened.keys())
  const idOf = ({ accessCode, link }: Stop) => accessCode?.id ?? link?.id ?? ''
  // Of what nobody knows a secret there is no verdict.
  const told = stops.filter((stop) => known.has(idOf(stop)))
  const [atOnce, later] = [told.filter(({ stopsAt }) => stopsAt === now), told.filter(({ stopsAt }) => stopsAt !== now)]
  expect(later.filter(({ extent }) => extent !== 'ALL')).toEqual([])
  const losses = new Map(atOnce.map((stop) => [idOf(stop), stop.extent]))
  const sooner = new Map(later.map((stop) => [idOf(stop), stop.stopsAt]))
  expect(losses.size + sooner.size, 'each is told once').toBe(told.length)
  if (isReader) {
    expect(Object.fromEntries(losses), 'told of known codes and links').toEqual(Object.fromEntries(lost))
    expect(Object.fromEntries(sooner), 'told of earlier ends').toEqual(Object.fromEntries(ends))
    expect(stopCount).toBe(stops.length)
    return
  }
  for (const [id, extent] of losses) expect([id, lost.get(id)]).toEqual([id, extent])
  for (const [id, end] of sooner) expect([id, ends.get(id)]).toEqual([id, end])
}
