// On random states every mutation that can be tried is tried and then done: the same events, the same codes and links that stop, and
// nothing written by the trial in any table of any schema. DRY_RUNS sets how many random lives are led.
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestApp, type TestApp } from '#test/support/app.ts'
import { begin } from './begin.ts'
import { callerBy, may } from './callers.ts'
import { perform } from './commands.ts'
import { type Draw, draws } from './draws.ts'
import { rehearse, type Sent, TRIABLE } from './rehearsal.ts'
import { accountAskedFor, credentialFor, inputFor } from './requests.ts'

const RUNS = Number(process.env.DRY_RUNS ?? 6)
/** What is not done by then is left out, so that a slow machine leads fewer lives. */
const BUDGET_MS = process.env.DRY_RUNS === undefined ? 40_000 : RUNS * 20_000

let app: TestApp
beforeAll(async () => {
  app = await startTestApp()
})
afterAll(() => app.close())

const seen = { tried: 0, done: 0, refused: 0, all: 0, some: 0, following: 0 }

const lives = fc.array(
  fc.oneof(
    { weight: 1, arbitrary: draws.filter(({ mutation }) => !TRIABLE.includes(mutation)) },
    { weight: 2, arbitrary: draws.filter(({ mutation }) => TRIABLE.includes(mutation)) },
  ),
  { minLength: 15, maxLength: 50, size: 'max' },
)

test('what is tried is what is then done', { timeout: 60_000 + 2 * BUDGET_MS }, async () => {
  const deadline = performance.now() + BUDGET_MS
  const property = fc.asyncProperty(lives, async (life) => {
    if (performance.now() > deadline) return
    const { model, real } = await begin(app)
    const [keyspaceId = ''] = [...model.keyspaces.values()].flatMap(({ id, name }) => (name === 'main' ? [id] : []))
    await turnRules(model, real, keyspaceId)
    for (const draw of life) await step(model, real, draw)
  })
  await fc.assert(property, { numRuns: RUNS, endOnFailure: true })
  console.info(JSON.stringify(seen))
  // How much else comes of it is chance, where few lives are led.
  expect(seen.following).toBeGreaterThan(0)
})

type Begun = Awaited<ReturnType<typeof begin>>
type World = Begun['model']
type Real = Begun['real']

/** Rules that change what is there already, which is done beside the mutation: chance seldom turns one on where that matters. */
async function turnRules(world: World, real: Real, keyspaceId: string): Promise<void> {
  const credential = app.rootKey
  const turn = (rules: object) =>
    tryOut(world, real, { mutation: 'updateKeyspace', input: { keyspaceId, rules }, credential })
  const { accountId = '' } = world.keyspaces.get(keyspaceId) ?? {}
  await turn({ authorizations: 'FROZEN' })
  await turn({ authorizations: 'EDITABLE', defaultKeys: false })
  for (const externalId of ['ann', 'bob'])
    await perform(world, real, { mutation: 'addUser', input: { accountId, externalId, role: 'MEMBER' }, credential })
  await turn({ defaultKeys: true })
}

async function step(world: World, real: Real, draw: Draw): Promise<void> {
  world.now = Date.parse(app.clock.now())
  const input = inputFor(world, draw)
  const credential = credentialFor(world, app.rootKey, draw.who, accountAskedFor(world, input))
  const request = { mutation: draw.mutation, input, credential }
  await (TRIABLE.includes(draw.mutation) ? tryOut(world, real, request) : perform(world, real, request))
}

async function tryOut(world: World, real: Real, request: Sent): Promise<void> {
  const { credential } = request
  const caller = callerBy(world, credential, app.rootKey)
  const reads = ['accounts.read', 'keys.read', 'events.read'] as const
  const isReader = caller !== undefined && reads.every((permission) => may(caller, permission))
  const tried = await rehearse(world, real, request, isReader)
  seen.tried += 1
  seen[tried.outcome === 'DONE' ? 'done' : 'refused'] += 1
  for (const { extent } of tried.stops) seen[extent === 'ALL' ? 'all' : 'some'] += 1
  seen.following += tried.planned.filter(({ follows }) => follows).length
}

test('nothing was logged as unexpected', () => {
  expect(app.logged.filter(({ level }) => level === 'error')).toEqual([])
})
