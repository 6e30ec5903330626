// A mixed load at a given rate for as long as wanted: of every twenty requests nineteen verify and one changes something, while
// subscriptions are open. Every answer is compared with what it must be.
import { setTimeout } from 'node:timers/promises'
import { askAll, type Connection, type HttpQuestion, openConnection, postOf } from './http-load.ts'
import { type Ask, newLife } from './lives.ts'
import type { SeededAccount } from './seed.ts'

export type SoakTarget = { readonly url: URL; readonly rootKey: string; readonly accounts: readonly SeededAccount[] }

/** When an answer was there, and how long it took. */
export type Timed = { readonly atMs: number; readonly tookMs: number }

export type SoakLoad = {
  readonly timed: readonly Timed[]
  readonly mutations: number
  /** Answers UNAVAILABLE: right where the machine is too busy to answer in time, and none where it is not. */
  readonly unavailable: number
  /** What else was answered otherwise than it must be, and how often. */
  readonly errors: ReadonlyMap<string, number>
}

const MUTATIONS_SHARE = 0.05
const VERIFY = 'query ($input: VerifyKeyInput!) { verifyKey(input: $input) { valid code keyId name permissions } }'

const BATCH = 100
const MANY = 'query ($inputs: [VerifyKeyInput!]!) { verifyKeys(inputs: $inputs) { code } }'

/** Asks about every key once: what memory it takes to know them all is no leak. */
export async function learnAll({ url, rootKey, accounts }: SoakTarget): Promise<void> {
  const secrets = accounts.flatMap((account) => account.secrets)
  function* questions(): Generator<HttpQuestion> {
    for (let at = 0; at < secrets.length; at += BATCH) {
      const inputs = secrets.slice(at, at + BATCH).map((key) => ({ key }))
      const body = JSON.stringify({ query: MANY, variables: { inputs } })
      const request = postOf(url, '/graphql', { Authorization: `Bearer ${rootKey}` }, body)
      yield { request, expected: '"code":"VALID"', times: inputs.length }
    }
  }
  await askAll(1, url, questions())
}

/** By so many callers, each with a connection and a life of its own, as evenly as they come to it; `perSecond` Infinity: as fast as they can. */
export async function keepUpMixed(
  { url, rootKey, accounts }: SoakTarget,
  { callers, perSecond, seconds }: { readonly callers: number; readonly perSecond: number; readonly seconds: number },
): Promise<SoakLoad> {
  const secrets = accounts.flatMap((account) => account.secrets)
  const start = performance.now()
  const end = start + seconds * 1_000
  const pauseMs = (callers * 1_000) / perSecond
  const timed: Timed[] = []
  const errors = new Map<string, number>()
  let mutations = 0
  let unavailable = 0

  async function caller(index: number): Promise<void> {
    let connection: Connection | undefined
    const life = newLife()
    const ask: Ask = async (query, input, expected) => {
      connection ??= await openConnection(url)
      const body = JSON.stringify({ query, variables: { input } })
      const askedAt = performance.now()
      const answer = await connection.ask(postOf(url, '/graphql', { Authorization: `Bearer ${rootKey}` }, body))
      const atMs = performance.now()
      timed.push({ atMs: atMs - start, tookMs: atMs - askedAt })
      if (query.startsWith('mutation')) mutations += 1
      const told = answer.slice(answer.indexOf('\r\n\r\n') + 4)
      if (!told.includes(expected)) throw new Error(`without ${expected}: ${told.slice(0, 300)}`)
      return JSON.parse(told)
    }
    for (let due = start + (index / callers) * pauseMs; ; due = Math.max(due + pauseMs, performance.now() - pauseMs)) {
      const now = performance.now()
      if (now < due) await setTimeout(due - now)
      if (performance.now() >= end) break
      try {
        // A step of a life verifies, too.
        if (Math.random() < MUTATIONS_SHARE / (1 - MUTATIONS_SHARE)) await life.next(ask, accounts)
        else {
          const key = secrets[Math.floor(Math.random() * secrets.length)]
          const consistency = Math.random() < 0.5 ? 'STRONG' : 'BOUNDED'
          await ask(VERIFY, { key, consistency }, '"code":"VALID"')
        }
      } catch (error) {
        const what = String(error)
        if (/"code":"UNAVAILABLE"/.test(what)) unavailable += 1
        else errors.set(what, (errors.get(what) ?? 0) + 1)
        connection?.close()
        connection = undefined
      }
    }
    connection?.close()
  }

  await Promise.all(Array.from({ length: callers }, (_, index) => caller(index)))
  return { timed, mutations, unavailable, errors }
}

export type Listening = {
  /** How many events have come. */
  count(): number
  /** The position of the last that came; 0 before the first. */
  position(): number
  /** What was skipped, doubled or told as an error, and that the stream ended. */
  readonly problems: readonly string[]
  leave(): void
}

const SUBSCRIBE = 'subscription ($accountId: ID!) { events(accountId: $accountId) { position type } }'

/** A subscription to all that happens in the account from now on. */
export async function listen({ url, rootKey }: SoakTarget, accountId: string): Promise<Listening> {
  const leaving = new AbortController()
  const response = await fetch(new URL('/graphql', url), {
    method: 'POST',
    headers: { authorization: `Bearer ${rootKey}`, accept: 'text/event-stream', 'content-type': 'application/json' },
    body: JSON.stringify({ query: SUBSCRIBE, variables: { accountId } }),
    signal: leaving.signal,
  })
  const problems: string[] = []
  let count = 0
  let position = 0
  function take(message: string): void {
    if (!message.startsWith('event: next')) return
    const { data, errors } = JSON.parse(message.slice(message.indexOf('data: ') + 'data: '.length))
    if (errors !== undefined) return void problems.push(JSON.stringify(errors))
    const told = Number(data.events.position)
    if (position !== 0 && told !== position + 1) problems.push(`${told} came after ${position}`)
    position = told
    count += 1
  }
  const reading = (async () => {
    let text = ''
    for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
      text += chunk
      const messages = text.split('\n\n')
      text = messages.pop() ?? ''
      for (const message of messages) take(message)
    }
  })()
  reading
    .catch((error: unknown) => String(error))
    .then((how) => {
      if (!leaving.signal.aborted) problems.push(`ended: ${how}`)
    })
  return { count: () => count, position: () => position, problems, leave: () => leaving.abort() }
}
