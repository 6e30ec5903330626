// Random commands. What they are about is drawn as numbers and looked up in the world when they run, so that a run can be shrunk
// to the few commands that matter.
import fc from 'fast-check'
import { expect } from 'vitest'
import type { TestApp } from '#test/support/app.ts'
import { agreeOnAccounts, agreeOnKey, agreeOnVerdicts, type Inquiry, instantText } from './agree.ts'
import { type Answer, glimpseKey, readHistory, readKey, send } from './api.ts'
import { callerBy, may, seesKey } from './callers.ts'
import type { Due, Input, Mutation } from './decision.ts'
import { addDefaultKey, codesOfDefault } from './defaults.ts'
import { DAY_MS, draws, HOUR_MS, numbers } from './draws.ts'
import { concernedBy } from './effects.ts'
import { recordDone, recordExposures } from './exposed.ts'
import { grantsOfPolicies } from './grants.ts'
import { predict, remember } from './predict.ts'
import { type Recorded, record, recordVerdicts } from './recorded.ts'
import { accountAskedFor, credentialFor, inputFor, pickFrom } from './requests.ts'
import { type Account, accountOf, type Key, type World } from './world.ts'

/** A mutation as it is sent. */
type Sent = { readonly mutation: Mutation; readonly input: Input; readonly credential: string | null }
/** What commands run against. `sent`: what may be sent again; `recorded`: what was seen, and when. */
export type Real = { readonly app: TestApp; readonly sent: Sent[]; readonly recorded: Recorded }
export type Command = fc.AsyncCommand<World, Real>

/** Sends a mutation, holds what becomes of it against the prediction, and lets the world follow. */
export async function perform(world: World, { app, sent, recorded }: Real, request: Sent): Promise<Answer> {
  const { mutation, input, credential } = request
  const caller = callerBy(world, credential, app.rootKey)
  const prediction = predict(world, caller, mutation, input)
  const answer = await send(app, mutation, input, credential)
  if (input.idempotencyKey !== undefined) sent.push(request)
  const concerned = answer.events.map((event) => event.subjectId)
  await record(recorded, app, answer.events, [...concerned, ...anyOf(world.keys, sent.length)])
  if (prediction.reasons.length > 0) {
    expect(answer.outcome).toBeOneOf([...prediction.reasons])
    return answer
  }
  expect(answer.outcome).toBe('DONE')
  if (prediction.replayed !== undefined) {
    const { codes, ...made } = prediction.replayed
    expect(answer.made).toEqual({ ...made, codes: codes.map(({ id }) => ({ id, secret: null })) })
    return answer
  }
  const { events = [], codes = [], defaults = [], subjectId = answer.made.id, reveals } = prediction
  const happened = events.map((event) => (typeof event === 'string' ? { type: event, subjectId } : event))
  const dues = defaults.map((due) => ({ ...due, userId: due.userId || subjectId }))
  const codesOfDefaults = dues.map((due) => codesOfDefault(world, due))
  expect(answer.events.map(({ type }) => type)).toEqual([
    ...happened.map(({ type }) => type),
    ...codesOfDefaults.flatMap((planned) => ['key.created', ...planned.map(() => 'code.issued')]),
  ])
  expect(answer.issued.map(({ accessCode: { slot, expiresAt } }) => ({ slot, expiresAt }))).toEqual(
    [...codes, ...codesOfDefaults.flat()].map(({ slot, expiresAt }) => ({ slot, expiresAt: instantText(expiresAt) })),
  )
  expect(answer.revealed).toBe(reveals || answer.revealed)
  // By whom it was done before it was: it may have ended the very code.
  recordDone(recorded.exposures, world, credential, happened.length)
  prediction.apply?.(answer.made)
  if (caller !== undefined) remember(world, caller, mutation, input, answer.made)
  const ofDefaults = answer.events.slice(happened.length)
  const issued = answer.made.codes.slice(codes.length)
  for (const [index, { subjectId: keyId }] of ofDefaults.filter(({ type }) => type === 'key.created').entries()) {
    const due = dues[index] as Due
    addDefaultKey(world, due, keyId, issued.splice(0, due.keyspace.rules.codesAtCreation))
  }
  const account = accountOf(world, subjectId) as Account | undefined
  if (mutation !== 'createAccount')
    account?.history.push(...[...happened, ...ofDefaults].map((event) => `${event.type} ${event.subjectId}`))
  const frozen = prediction.freezes?.() ?? []
  const fills = prediction.fills?.() ?? []
  if (account !== undefined && frozen.length + fills.length > 0) await adopt(world, app, account, frozen, fills)
  const key = world.keys.get(subjectId)
  if (key !== undefined) await agreeOnKey(world, app, key)
  return answer
}

/** One of them, whatever happens to others. */
function anyOf(keys: World['keys'], pick: number): readonly string[] {
  return [...keys.keys()].slice(pick % keys.size).slice(0, 1)
}

/** Learns of the keys that were frozen, and of the default keys that were made, once a rule was switched on. */
async function adopt(
  world: World,
  app: TestApp,
  account: Account,
  frozen: readonly Key[],
  fills: readonly Due[],
): Promise<void> {
  for (const key of frozen) {
    key.frozen = structuredClone(grantsOfPolicies(world, key.policyIds))
    key.version += 1
    await agreeOnKey(world, app, key)
  }
  const fresh = (await readHistory(app, account.id)).slice(account.history.length)
  const keyIds = fresh.filter((event) => event.startsWith('key.created ')).map((event) => event.split(' ')[1] ?? '')
  expect(keyIds).toHaveLength(fills.length)
  const missing = new Map(fills.map((due) => [due.userId, due]))
  for (const keyId of keyIds) {
    const seen = await readKey(app, keyId)
    const due = missing.get(seen?.owner?.id ?? '') as Due
    missing.delete(due.userId)
    addDefaultKey(world, due, keyId, seen?.codes.map(({ id }) => ({ id, secret: '' })) ?? [])
    await agreeOnKey(world, app, world.keys.get(keyId) as Key)
  }
  const expected = [
    ...frozen.map(({ id }) => `key.frozen ${id}`),
    ...keyIds.flatMap((id) => [
      `key.created ${id}`,
      ...(world.keys.get(id)?.codes.map(() => `code.issued ${id}`) ?? []),
    ]),
  ]
  expect(fresh.toSorted()).toEqual(expected.toSorted())
  account.history.push(...fresh)
}

const mutations = draws.map((draw) => {
  let told: string = draw.mutation
  return command(
    async (world, real) => {
      const { rootKey } = real.app
      const input = inputFor(world, draw)
      const credential = credentialFor(world, rootKey, draw.who, accountAskedFor(world, input))
      const request = { mutation: draw.mutation, input, credential }
      // Often in a millisecond of its own, so that what was there before it is not only so in between.
      if (draw.pick % 2 === 0) tick(world, real.app)
      told = `${draw.mutation} ${JSON.stringify(request.input)}${credential === rootKey ? '' : ` by ${credential}`}`
      const concerned = concernedBy(world, input)
      const root = callerBy(world, rootKey, rootKey)
      const inquire = async () =>
        recordVerdicts(real.recorded, null, concerned, await agreeOnVerdicts(world, real.app, root, rootKey, concerned))
      await inquire()
      await perform(world, real, request)
      await inquire()
    },
    () => told,
  )
})

function tick(world: World, app: TestApp): void {
  app.clock.advance(1)
  world.now = Date.parse(app.clock.now())
}

function command(run: (world: World, real: Real) => Promise<void>, tell: () => string): Command {
  return {
    check: () => true,
    async run(world, real) {
      world.now = Date.parse(real.app.clock.now())
      await run(world, real)
      recordExposures(real.recorded.exposures, world)
    },
    toString: tell,
  }
}

/** The very request again, or another under its idempotency key. */
const retries = fc.record({ pick: numbers, changed: fc.boolean() }).map(({ pick, changed }) =>
  command(
    async (world, real): Promise<void> => {
      const again = real.sent.at(-1 - (pick % Math.max(1, Math.min(real.sent.length, 10))))
      if (again === undefined) return
      const other =
        'expectedVersion' in again.input
          ? { expectedVersion: 77 }
          : 'name' in again.input
            ? { name: `changed ${pick}` }
            : {}
      await perform(world, real, changed ? { ...again, input: { ...again.input, ...other } } : again)
    },
    () => `retry ${pick}${changed ? ' changed' : ''}`,
  ),
)

/** Often to the very instant at which something ends, or to just before it. */
const moments = fc.constantFrom('end', 'end', 'just before an end', 60_000, HOUR_MS, DAY_MS, 40 * DAY_MS).map((to) =>
  command(
    async (world, { app }) => {
      const keys = [...world.keys.values()]
      const ends = keys.flatMap((key) => [
        key.expiresAt,
        ...key.codes.flatMap((code) => [code.expiresAt, code.overlapEndsAt]),
      ])
      const next = Math.min(...ends.filter((end): end is number => end !== null && end > world.now + 1))
      const step = typeof to === 'number' ? to : next - world.now - (to === 'end' ? 0 : 1)
      app.clock.advance(Number.isFinite(step) ? step : HOUR_MS)
      world.now = Date.parse(app.clock.now())
    },
    () => `advance to ${to}`,
  ),
)

const wishes = fc.option(
  fc.array(
    fc.array(fc.constantFrom('ads.read', 'ads.read', 'ads.read.own', 'ads', 'reports.export', 'keys.write'), {
      minLength: 1,
      maxLength: 3,
    }),
    { minLength: 1, maxLength: 2 },
  ),
  { freq: 2 },
)
const endpoints = fc.option(
  fc.record({
    method: fc.constantFrom('GET', 'POST', 'HEAD'),
    path: fc.constantFrom('/reports/7', '/reports/7?x=/y', '/reports/7/8', '/ads/a/b', '/ads%2fa', '/'),
  }),
)
const inquiries = fc.record({
  who: numbers,
  asked: fc.array(fc.record({ pick: fc.nat(), where: fc.nat({ max: 9 }), wish: wishes, endpoint: endpoints }), {
    minLength: 1,
    maxLength: 60,
  }),
})

const verifications = inquiries.map(({ who, asked }) =>
  command(
    async (world, real) => {
      const keys = [...world.keys.values()]
      const held = keys.flatMap((key) =>
        key.codes.filter(({ secret }) => secret !== '').map(({ secret }) => ({ key, secret })),
      )
      const linkOf = ({ id }: Key) => [...world.links.values()].find(({ keyId }) => keyId === id)
      const linked = held.filter(({ key }) => linkOf(key) !== undefined && key.end === null)
      const questions = asked.map(({ pick, where, wish, endpoint }): Inquiry => {
        const among = where > 6 && linked.length > 0 ? linked : held
        const { key, secret } = among[pick % among.length] as { key: Key; secret: string }
        // Where it is linked, if it is.
        const other = linkOf(key) ?? (keys[(pick * 7) % keys.length] as Key)
        return {
          key: secret,
          wish,
          ...(wish === null ? {} : { permission: wish.map((all) => `(${all.join(' AND ')})`).join(' OR ') }),
          ...(endpoint === null ? {} : { endpoint }),
          ...(where < 4
            ? { keyspaceId: key.keyspaceId }
            : (where === 4 || where === 7) && other.keyspaceId !== null
              ? { keyspaceId: other.keyspaceId }
              : {}),
          ...(where === 5 || where > 6
            ? { accountId: other.accountId }
            : where === 6
              ? { accountId: key.accountId }
              : {}),
        }
      })
      const credential = credentialFor(world, real.app.rootKey, who)
      const caller = callerBy(world, credential, real.app.rootKey)
      const verdicts = await agreeOnVerdicts(world, real.app, caller, credential, questions)
      recordVerdicts(real.recorded, caller?.accountId ?? null, questions, verdicts)
    },
    () => `verify ${asked.length}`,
  ),
)

const looks = fc.constant(
  command(
    (world, { app }) => agreeOnAccounts(world, app),
    () => 'look',
  ),
)

const glimpses = fc.record({ who: numbers, pick: numbers }).map(({ who, pick }) =>
  command(
    async (world, real) => {
      const id = pickFrom([...world.keys.keys()], pick)
      const credential = credentialFor(world, real.app.rootKey, who)
      const caller = callerBy(world, credential, real.app.rootKey)
      const key = world.keys.get(id)
      const visible = caller !== undefined && key !== undefined && seesKey(world, caller, key) ? id : null
      const denied = caller === undefined ? 'UNAUTHENTICATED' : may(caller, 'keys.read') ? undefined : 'FORBIDDEN'
      expect(await glimpseKey(real.app, id, credential)).toBe(denied ?? visible)
    },
    () => `glimpse ${pick} by ${who}`,
  ),
)

/** All there are, in about the proportions in which they find something. */
export const commands: readonly fc.Arbitrary<Command>[] = [
  ...Array.from({ length: 15 }, () => mutations),
  retries,
  retries,
  moments,
  moments,
  verifications,
  verifications,
  looks,
  glimpses,
]
