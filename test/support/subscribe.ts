// A client of subscriptions, as plain as can be: GraphQL over SSE by fetch.
import { setTimeout as delay } from 'node:timers/promises'
import { vi } from 'vitest'
import { EventsOfAccountDocument } from '#test/generated/operations.ts'
import type { ClientError, Executed, ExecuteOptions, TestApp } from './app.ts'
import type { RootField, Variables } from './root-fields.ts'
import { PATIENTLY } from './wait.ts'

export type ToldEvent = { readonly position: string; readonly type: string; readonly [name: string]: unknown }
export type Told = { readonly data?: { readonly events: ToldEvent } | null; readonly errors?: readonly ClientError[] }

export type Subscribed = {
  readonly status: number
  readonly headers: Headers
  readonly told: readonly Told[]
  readonly heartbeats: () => number
  /** How the answer ended: by its last message, broken off, or left by the client; undefined as long as it goes on. */
  readonly end: () => 'complete' | 'broken' | undefined
  positions(): readonly number[]
  /** The error it ended with, once it has. */
  ended(): Promise<ClientError | undefined>
  /** Waits until so many events have come. */
  received(count: number): Promise<void>
  leave(): void
}

export type SubscribeOptions = {
  readonly accountId: string
  readonly after?: number | string | null
  readonly types?: readonly string[]
  readonly credential?: string | null
  readonly headers?: Readonly<Record<string, string>>
  readonly document?: string
}

export async function subscribe(
  app: Pick<TestApp, 'origin' | 'rootKey'>,
  { accountId, after, types, credential = app.rootKey, headers = {}, document }: SubscribeOptions,
): Promise<Subscribed> {
  const leaving = new AbortController()
  const variables = { accountId, after: after == null ? null : String(after), types: types ?? null }
  const response = await letIn(() =>
    fetch(`${app.origin}/graphql`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'text/event-stream',
        ...(credential === null ? {} : { authorization: `Bearer ${credential}` }),
        ...headers,
      },
      body: JSON.stringify({ query: document ?? String(EventsOfAccountDocument), variables }),
      signal: leaving.signal,
    }),
  )
  const told: Told[] = []
  let heartbeats = 0
  let end: ReturnType<Subscribed['end']>
  const read = async () => {
    let text = ''
    for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
      text += chunk
      const messages = text.split('\n\n')
      text = messages.pop() ?? ''
      for (const message of messages) {
        if (message.startsWith(':')) heartbeats += 1
        else if (message.startsWith('event: complete')) end = 'complete'
        else told.push(JSON.parse(message.replace(/^event: next\ndata: /, '')))
      }
    }
  }
  const reading = read()
    .catch(() => undefined)
    .finally(() => {
      end ??= 'broken'
    })
  const events = () => told.flatMap(({ data }) => (data ? [data.events] : []))
  return {
    status: response.status,
    headers: response.headers,
    told,
    heartbeats: () => heartbeats,
    end: () => end,
    positions: () => events().map(({ position }) => Number(position)),
    async ended() {
      await reading
      return told.at(-1)?.errors?.[0]
    },
    async received(count) {
      await vi.waitFor(() => {
        if (events().length < count)
          throw new Error(`${events().length} of ${count} events: ${JSON.stringify(told.at(-1))}`)
      }, PATIENTLY)
    },
    leave: () => leaving.abort(),
  }
}

const AGAIN_MAX = 60
const AGAIN_AFTER_MS = 500

/** The answer to who is let in, or is turned away for another reason than that nobody could be judged at that moment. */
async function letIn(ask: () => Promise<Response>): Promise<Response> {
  for (let again = 0; ; again++) {
    const response = await ask()
    if (isStream(response) || again === AGAIN_MAX) return response
    if (!(await response.clone().text()).includes('"UNAVAILABLE"')) return response
    await delay(AGAIN_AFTER_MS)
  }
}

/** Of answers that are an error and nothing more, the header is absent. */
const isStream = ({ headers }: Response) => headers.has('x-accel-buffering')

/** What a field of the root is answered; of a subscription that is let in, that it is. */
export async function executeRoot<Result>(
  app: TestApp,
  { kind, name, document }: RootField,
  variables: Variables,
  { credential = app.rootKey }: ExecuteOptions = {},
): Promise<Executed<Result>> {
  if (kind !== 'subscription') return app.execute<Result, Variables>(document, variables, { credential })
  const response = await fetch(`${app.origin}/graphql`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'text/event-stream',
      ...(credential === null ? {} : { authorization: `Bearer ${credential}` }),
    },
    body: JSON.stringify({ query: document, variables }),
  })
  const { status, headers } = response
  const requestId = headers.get('x-request-id')
  if (isStream(response)) {
    await response.body?.cancel()
    return { status, requestId, data: { [name]: { open: true } } as Result, errors: [] }
  }
  const [, message = '{}'] = /^data: (.+)$/m.exec(await response.text()) ?? []
  const { data = null, errors = [] } = JSON.parse(message)
  return { status, requestId, data, errors }
}
