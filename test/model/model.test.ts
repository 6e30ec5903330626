// Random commands against the API and against a model of it in memory must come to the same: what is answered, what is there
// afterwards, what every secret opens, what the history says. MODEL_RUNS sets how many random lives are led; TEST_SEED,
// MODEL_PATH and MODEL_REPLAY lead one again as the report of its failure has them.
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { checkState } from '#state/check.ts'
import { rebuildState } from '#state/rebuild.ts'
import { startTestApp, type TestApp } from '#test/support/app.ts'
import { agreeOnEverything } from './agree.ts'
import { begin } from './begin.ts'
import { commands } from './commands.ts'
import { agreeOnExposures } from './exposed.ts'
import { agreeOnExplanations, agreeOnThePast } from './recorded.ts'
import type { World } from './world.ts'

const { MODEL_RUNS, MODEL_PATH, MODEL_REPLAY } = process.env
const RUNS = Number(MODEL_RUNS ?? 12)
/** What is not done by then is left out, so that a slow machine leads fewer lives; so is the rest of a failure's shrinking. */
const BUDGET_MS = MODEL_RUNS === undefined ? 40_000 : RUNS * 10_000
const COMMANDS_MAX = 120
const TIMEOUT_MS = 60_000 + 2 * BUDGET_MS

const replay = MODEL_REPLAY ? { replayPath: MODEL_REPLAY } : {}

let app: TestApp
beforeAll(async () => {
  app = await startTestApp()
})
afterAll(() => app.close())

const worlds: World[] = []
let count = 0
let moments = 0
let verdicts = 0
let exposures = 0

test('whatever is commanded, the API and the model agree', { timeout: TIMEOUT_MS }, async () => {
  const lives = fc.commands([...commands], { maxCommands: COMMANDS_MAX, size: 'max', ...replay })
  const deadline = performance.now() + BUDGET_MS
  const property = fc.asyncProperty(lives, async (life) => {
    if (performance.now() > deadline) return
    const setup = await begin(app)
    await fc.asyncModelRun(() => setup, life)
    await agreeOnEverything(setup.model, app)
    moments += await agreeOnThePast(setup.real.recorded, app)
    verdicts += await agreeOnExplanations(setup.real.recorded, app, setup.model)
    exposures += await agreeOnExposures(setup.real.recorded.exposures, app)
    worlds.push(setup.model)
    count += [...life].length
  })
  await fc.assert(property, { numRuns: RUNS, ...(MODEL_PATH && { path: MODEL_PATH }) })
  console.info(
    `${count} commands in ${worlds.length} lives, ${moments} moments of them remembered, ${verdicts} verdicts explained, ` +
      `${exposures} codes looked at for what they carried`,
  )
})

test('and so does the state that is rebuilt from the log', { timeout: TIMEOUT_MS }, async () => {
  expect(await checkState(app.database.owner)).toMatchObject({ difference: null })
  await rebuildState(app.database.owner)
  for (const world of worlds) {
    world.now = Date.parse(app.clock.now())
    await agreeOnEverything(world, app)
  }
  expect(await checkState(app.database.owner)).toMatchObject({ difference: null })
})

test('nothing was logged as unexpected', () => {
  expect(app.logged.filter(({ level }) => level === 'error')).toEqual([])
})
