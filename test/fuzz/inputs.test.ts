// Bad input of every kind in every place of the schema, found by introspection: each answer names what is bad, nothing breaks,
// and what is refused leaves nothing behind. FUZZ_INPUTS sets how many mutations are sent (and a fourth as many
// queries), TEST_SEED repeats a run that failed.
import fc from 'fast-check'
import { getNamedType, isEnumType } from 'graphql'
import { afterAll, expect, test } from 'vitest'
import { ID_KINDS } from '#domain/ids.ts'
import { newId } from '#secret/ids.ts'
import { checkState } from '#state/check.ts'
import { startTestApp } from '#test/support/app.ts'
import {
  nestedFieldsOf,
  placesOf,
  type RootField,
  requiredVariables,
  rootFieldsOf,
  type Slot,
  slotsOf,
  type Variables,
  withValue,
} from '#test/support/root-fields.ts'
import { testSealer } from '#test/support/sealing.ts'
import { executeRoot } from '#test/support/subscribe.ts'
import { type Corrupted, faultOf, faultOfResult, leadTheSameWay, type Result } from './answers.ts'
import { type Hostile, hostileFor } from './hostile.ts'

const INPUTS = Number(process.env.FUZZ_INPUTS ?? 2_000)
const TIMEOUT_MS = 60_000 + INPUTS * 100

const app = await startTestApp()
afterAll(() => app.close())
const { accountId } = await app.createAccount()
const stranger = await app.createAccount()
const credential = await app.createCredential(accountId, ['*'])
const strangersKeyspaceId = await app.createKeyspace(stranger.accountId)
const strangersKey = await app.createKey(strangersKeyspaceId)

const sealer = testSealer({ database: app.database.serving, keyring: app.keyring })
await sealer.sealNow()
await sealer.stop()

const fields = await rootFieldsOf(app)
const mutations = fields.filter(({ kind }) => kind === 'mutation')
const queries = [...fields.filter(({ kind }) => kind !== 'mutation'), ...(await nestedFieldsOf(app))]

/** Things that are there to be changed; made anew once a mutation has ended one of them. */
async function makeSubjects() {
  const keyspaceId = await app.createKeyspace(accountId)
  const { keyId, codeId, secret } = await app.createKey(keyspaceId)
  const policyId = await app.createPolicy(accountId)
  const userId = await app.addUser(accountId)
  const linkId = await app.linkKey(accountId, (await app.createForeignKey()).keyId)
  return {
    accountId,
    keyspaceId,
    keyId,
    codeId,
    secret,
    policyId,
    linkId,
    userId,
    emptyKeyspaceId: await app.createKeyspace(accountId),
  }
}
let subjects = await makeSubjects()

const knownIds = [
  ...Object.values(subjects).filter((id) => id !== subjects.secret),
  ...ID_KINDS.map((kind) => newId(kind, 5)),
  ...[stranger.accountId, stranger.managementKeyspaceId, strangersKeyspaceId, strangersKey.keyId, strangersKey.codeId],
]

let count = 0
/** Right for its place, so that what is refused is refused for what stands elsewhere. */
function valueFor({ path, type }: Slot): unknown {
  const name = path.at(-1) ?? ''
  const named = getNamedType(type)
  if (isEnumType(named)) return named.getValues()[0]?.name
  count += 1
  const ids: Readonly<Record<string, string>> = {
    ...subjects,
    id: subjects.keyId,
    policyIds: subjects.policyId,
    ownerId: subjects.userId,
  }
  const texts: Readonly<Record<string, string>> = { key: subjects.secret, path: '/', methods: 'GET' }
  const right: Readonly<Record<string, unknown>> = {
    ID: ids[name],
    String: texts[name] ?? `text${count}`,
    Int: 1,
    Boolean: true,
    JSON: {},
    DateTime: app.clock.now(),
    Position: '1',
  }
  if (right[named.name] === undefined) throw new Error(`Say what is right for ${path.join('.')}`)
  return right[named.name]
}

type Bad = Corrupted & Hostile
type Operation = {
  readonly name: string
  readonly bad: readonly Bad[]
  readonly asTenant: boolean
  readonly once: boolean
}

/** One operation with up to three bad values in different places. */
function operation(candidates: readonly RootField[]): fc.Arbitrary<Operation> {
  const apart = { minLength: 1, maxLength: 3, comparator: (a: Bad, b: Bad) => leadTheSameWay(a.path, b.path) }
  const operations = candidates.flatMap(({ name, args }) => {
    const places = args.flatMap(placesOf)
    const bad = places.map(({ path, type }) => hostileFor(type, knownIds).map((hostile) => ({ path, ...hostile })))
    const others = { asTenant: fc.boolean(), once: fc.boolean() }
    if (bad.length === 0) return []
    return fc.record({ name: fc.constant(name), bad: fc.uniqueArray(fc.oneof(...bad), apart), ...others })
  })
  return fc.oneof(...operations)
}

function variablesFor(field: RootField, { bad, once }: Operation): Variables {
  const isWanted = (path: readonly string[]) =>
    bad.some((value) => path.length < value.path.length && leadTheSameWay(path, value.path))
  const right = requiredVariables(field, { valueFor, isWanted })
  const canRetry = field.args.flatMap(slotsOf).some(({ path }) => path.join() === IDEMPOTENCY_KEY.join())
  const asked = once && canRetry ? withValue(right, IDEMPOTENCY_KEY, `once ${count++}`) : right
  return bad.reduce<Variables>((variables, { path, value }) => withValue(variables, path, value), asked)
}

const IDEMPOTENCY_KEY = ['input', 'idempotencyKey']

/** Texts that services saw and pass on: of telemetry, what can't be stored is replaced, or one odd request would cost the batch. */
const SEEN_BY_SERVICES = new Set(['path', 'userAgent', 'requestBody', 'responseBody'])

function mustBeRefused(field: RootField, { path, sort }: Bad): boolean {
  const isTelemetry = field.name === 'recordAccess' && SEEN_BY_SERVICES.has(path.at(-1) ?? '')
  return sort === 'unstorable' && !isTelemetry
}

function send(field: RootField, asked: Operation) {
  const caller = asked.asTenant && field.name !== 'createAccount' ? { credential } : {}
  return executeRoot<Record<string, Result>>(app, field, variablesFor(field, asked), caller)
}

async function eventIds(): Promise<Set<string>> {
  const { rows } = await app.database.owner.pool.query<{ event_id: string }>('SELECT event_id FROM log.event')
  return new Set(rows.map(({ event_id }) => event_id))
}

/** Not what follows a mutation later: default keys of users who were there already, which are the system's doing. */
async function causedByPeople(ids: readonly string[]): Promise<readonly string[]> {
  const { rows } = await app.database.owner.pool.query<{ event_id: string }>(
    `SELECT event_id FROM log.event WHERE event_id = ANY ($1) AND actor_kind <> 'SYSTEM'`,
    [ids],
  )
  return rows.map(({ event_id }) => event_id)
}

test('mutations name what is bad, and append nothing when they refuse', { timeout: TIMEOUT_MS }, async () => {
  const told = await eventIds()
  const outcomes: string[] = []
  const property = fc.asyncProperty(operation(mutations), async (asked) => {
    const field = mutations.find(({ name }) => name === asked.name)!
    const { bad } = asked
    const sorts = bad.map(({ sort }) => sort)
    const answer = await send(field, asked)
    const result = answer.data?.[field.name]
    outcomes.push(String(result?.code ?? result?.__typename ?? answer.errors[0]?.extensions?.code))
    expect(faultOf(answer, bad)).toBeUndefined()
    expect(result === undefined || !sorts.includes('mistyped'), 'a value of another type is refused').toBe(true)
    if (result === undefined) return
    const mustRefuse = bad.some((value) => mustBeRefused(field, value))
    expect(faultOfResult(result, bad, mustRefuse)).toBeUndefined()
    for (const { id } of result.events ?? []) told.add(id)
    if (result.events !== undefined && /^(delete|revoke|remove|erase|unlink)/.test(field.name)) {
      const before = await eventIds()
      subjects = await makeSubjects()
      for (const id of await eventIds()) if (!before.has(id)) told.add(id)
    }
  })
  await fc.assert(property, { numRuns: INPUTS })
  const appended = await eventIds()
  expect([...told].filter((id) => !appended.has(id))).toEqual([])
  const untold = [...appended].filter((id) => !told.has(id))
  expect(await causedByPeople(untold)).toEqual([])
  expect(await checkState(app.database.owner)).toMatchObject({ difference: null })
  expect(outcomes).toEqual(expect.arrayContaining(['INVALID_INPUT', 'NOT_FOUND', 'CONFLICT', 'UpdateKeySuccess']))
})

test('queries name what is bad, or answer', { timeout: TIMEOUT_MS }, async () => {
  const before = await eventIds()
  const property = fc.asyncProperty(operation(queries), async (asked) => {
    const { errors, ...answer } = await send(queries.find(({ name }) => name === asked.name)!, asked)
    expect(faultOf({ errors, ...answer }, asked.bad)).toBeUndefined()
    const isMistyped = asked.bad.some(({ sort }) => sort === 'mistyped')
    expect(errors.length > 0 || !isMistyped, 'a value of another type is refused').toBe(true)
  })
  await fc.assert(property, { numRuns: Math.ceil(INPUTS / 4) })
  expect(await eventIds()).toEqual(before)
})

test('a value nested deeper than any stack is refused by name', async () => {
  const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`
  for (const [place, variables] of [
    ['"metadata"', `{ "input": { "keyspaceId": "${subjects.keyspaceId}", "name": "deep", "metadata": ${deep} } }`],
    ['input.name', `{ "input": { "keyspaceId": "${subjects.keyspaceId}", "name": ${deep} } }`],
    ['$input', `{ "input": ${deep} }`],
  ]) {
    const query = mutations.find(({ name }) => name === 'createKey')?.document
    const response = await fetch(`${app.origin}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${app.rootKey}` },
      body: `{ "query": ${JSON.stringify(query)}, "variables": ${variables} }`,
    })
    const answer = await response.text()
    expect(response.status, answer).toBeLessThan(500)
    expect(answer).toContain(place)
  }
})

test('nothing was logged as unexpected', () => {
  expect(app.logged.filter(({ level }) => level === 'error')).toEqual([])
})
