// Mutations that go on whatever happens to servers and database, each sent again under its idempotency key until it is answered;
// and what has to be there of them afterwards: all that was acknowledged, in order, nothing twice.
import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, vi } from 'vitest'
import type { Client } from './app.ts'

/** One step of a key's life that was answered. */
export type Acknowledged = { readonly keyId: string; readonly eventIds: readonly string[] }

export type Mutating = {
  /** Waits until so many more were acknowledged. */
  more(count: number): Promise<void>
  /** Every worker ends its step first. */
  stop(): Promise<readonly Acknowledged[]>
}

type Step = { readonly mutation: string; readonly input: Readonly<Record<string, unknown>> }

const EVENTS = ['key.created', 'code.issued', 'key.rotated', 'key.disabled', 'key.revoked']
const AGAIN_AFTER_MS = 50

function* life(keyspaceId: string): Generator<Step, void, string> {
  const of = (mutation: string, input: object): Step => ({
    mutation,
    input: { ...input, idempotencyKey: randomUUID() },
  })
  const keyId = yield of('createKey', { keyspaceId, name: randomUUID() })
  yield of('rotateKey', { keyId, overlapSeconds: 60 })
  yield of('disableKey', { keyId })
  yield of('revokeKey', { keyId })
}

/** One worker for each client, in a keyspace without limits. */
export function keepMutating(clients: readonly Client[], keyspaceId: string): Mutating {
  const acknowledged: Acknowledged[] = []
  let stopped = false
  const worker = async (client: Client) => {
    while (!stopped) {
      const steps = life(keyspaceId)
      for (let next = steps.next(); !next.done && !stopped; ) {
        const done = await untilAnswered(client, next.value)
        acknowledged.push(done)
        next = steps.next(done.keyId)
      }
    }
  }
  const working = Promise.all(clients.map(worker))
  // Whoever stops is told.
  working.catch(() => undefined)
  return {
    async more(count) {
      const enough = acknowledged.length + count
      const waiting = vi.waitFor(() => expect(acknowledged.length).toBeGreaterThanOrEqual(enough), {
        timeout: 60_000,
        interval: 20,
      })
      await Promise.race([waiting, working])
    },
    async stop() {
      stopped = true
      await working
      return acknowledged
    },
  }
}

type Result = {
  readonly code?: string
  readonly key?: { readonly id: string }
  readonly events?: readonly { readonly id: string }[]
}

async function untilAnswered(client: Client, { mutation, input }: Step): Promise<Acknowledged> {
  const type = `${mutation.charAt(0).toUpperCase()}${mutation.slice(1)}`
  const document = `mutation ($input: ${type}Input!) { result: ${mutation}(input: $input) {
    ... on ${type}Success { key { id } events { id } } ... on Error { code message } } }`
  for (;;) {
    const answer = await client.execute<{ result: Result }, object>(document, { input }).catch((error: unknown) => {
      // Nobody listens, or the connection broke, maybe within the answer.
      if (error instanceof TypeError || error instanceof SyntaxError) return undefined
      throw error
    })
    const code = answer?.data?.result.code ?? answer?.errors[0]?.extensions?.code
    if (answer === undefined || code === 'UNAVAILABLE' || code === 'CONFLICT') {
      if (code === 'UNAVAILABLE') expect(answer?.errors[0]?.extensions?.retryAfter).toBe(1)
      await delay(AGAIN_AFTER_MS)
      continue
    }
    const { key, events } = answer.data?.result ?? {}
    if (key === undefined || events === undefined) throw new Error(`${mutation} was refused: ${JSON.stringify(answer)}`)
    return { keyId: key.id, eventIds: events.map(({ id }) => id) }
  }
}

type Told = {
  readonly key: {
    readonly version: number
    readonly events: { readonly nodes: readonly { id: string; type: string }[] }
  }
}

/** That every key has the events that were acknowledged, and those of whole steps only. */
export async function expectWhole(client: Client, acknowledged: readonly Acknowledged[]): Promise<void> {
  const document = 'query ($keyId: ID!) { key(id: $keyId) { version events { nodes { id type } } } }'
  for (const [keyId, steps] of Map.groupBy(acknowledged, (step) => step.keyId)) {
    const { key } = await client.ask<Told, object>(document, { keyId })
    const eventIds = steps.flatMap((step) => step.eventIds)
    expect(key.events.nodes.map(({ id }) => id)).toEqual(eventIds)
    expect(key.version).toBe(eventIds.length)
    expect(key.events.nodes.map(({ type }) => type)).toEqual(EVENTS.slice(0, eventIds.length))
  }
}
