// What every race needs: the application over real PostgreSQL with as many connections as there are racers, readers that follow
// the log all the while, and ways to send many requests at once and count what became of them.
import { expect } from 'vitest'
import { checkState } from '#state/check.ts'
import { type Document, type ExecuteOptions, startTestApp, type TestApp } from '#test/support/app.ts'
import { followLog, type Tail } from './tail.ts'

/** Each race is run so often: what goes wrong only sometimes should go wrong here. */
export const ROUNDS = 20
/** For all rounds of one race, on a slow machine. */
export const RACE_TIMEOUT_MS = 120_000
const POOL_SIZE = 40

export type Arena = { readonly app: TestApp; readonly tail: Tail }

export async function openArena(): Promise<Arena> {
  const app = await startTestApp({ poolSize: POOL_SIZE })
  return { app, tail: followLog(app.database.owner) }
}

/** After all races of a file: the log was dense at every moment, and the state is what it says. */
export async function inspect({ app, tail }: Arena): Promise<void> {
  const { events, rounds } = await tail.stop()
  // The readers read while the others wrote, not when all was over.
  expect(events / rounds).toBeLessThan(50)
  expect(await checkState(app.database.owner)).toMatchObject({ events, difference: null })
  expect(app.logged.filter(({ level }) => level === 'error')).toEqual([])
}

export async function rounds(race: (round: number) => Promise<void>): Promise<void> {
  for (let round = 0; round < ROUNDS; round++) await race(round)
}

export function times<T>(count: number, make: (index: number) => T): T[] {
  return Array.from({ length: count }, (_, index) => make(index))
}

type Racer = () => Promise<Member>
type Results<Racers extends readonly Racer[]> = { -readonly [Lane in keyof Racers]: Awaited<ReturnType<Racers[Lane]>> }

/** Starts every racer before any of them is answered; every second round in the opposite order. */
export async function atOnce<const Racers extends readonly Racer[]>(
  round: number,
  racers: Racers,
): Promise<Results<Racers>> {
  const starting = round % 2 === 0 ? racers : racers.toReversed()
  const answers = await Promise.all(starting.map((start) => start()))
  return (round % 2 === 0 ? answers : answers.reverse()) as Results<Racers>
}

type Member = { readonly __typename: string; readonly code?: string }

/** The success among the members of a mutation's result. */
export type Success<Result> = Extract<Result, { readonly __typename: `${string}Success` }>

/**
 * Sends a mutation and gives its one result. Whatever is no member of it, `Unexpected error.` first of all, is thrown.
 */
export async function mutate<Name extends string, Result extends Member, Input>(
  app: TestApp,
  document: Document<{ readonly [N in Name]: Result }, { input: Input }>,
  input: Input,
  options?: ExecuteOptions,
): Promise<Result> {
  const [result] = Object.values(await app.ask(document, { input }, options)) as Result[]
  return result!
}

export function isSuccess<Result extends Member>(result: Result): result is Success<Result> {
  return result.__typename.endsWith('Success')
}

/** `done`, or the code of the refusal. */
export function outcomeOf(result: Member): string {
  return isSuccess(result) ? 'done' : (result.code ?? result.__typename)
}

/** How many results there are of each outcome. */
export function tally(results: readonly Member[]): Readonly<Record<string, number>> {
  return Object.fromEntries(
    Object.entries(Object.groupBy(results, outcomeOf)).map(([outcome, members = []]) => [outcome, members.length]),
  )
}

/** Types of what happened to a key or keyspace, in order. */
export async function historyOf({ database }: TestApp, streamId: string): Promise<readonly string[]> {
  const { rows } = await database.owner.pool.query<{ type: string }>(
    'SELECT type FROM log.event WHERE stream_id = $1 ORDER BY version',
    [streamId],
  )
  return rows.map(({ type }) => type)
}

/** The verdicts on secrets, in order. */
export async function verdictsOn(app: TestApp, secrets: readonly string[]): Promise<readonly string[]> {
  const { verifyKeys } = await app.ask<{ verifyKeys: { code: string }[] }, object>(
    'query ($inputs: [VerifyKeyInput!]!) { verifyKeys(inputs: $inputs) { code } }',
    { inputs: secrets.map((key) => ({ key })) },
  )
  return verifyKeys.map(({ code }) => code)
}

export async function activeKeyCount(app: TestApp, keyspaceId: string): Promise<number | null> {
  const { keyspace } = await app.ask<{ keyspace: { activeKeyCount: number | null } }, object>(
    'query ($id: ID!) { keyspace(id: $id) { activeKeyCount } }',
    { id: keyspaceId },
  )
  return keyspace.activeKeyCount
}
