// Load over HTTP in a closed loop, by sockets alone: what asks must cost little, as it shares the machine with what answers.
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout } from 'node:timers/promises'
import type { CpuMs } from './cpu.ts'
import { percentile } from './statistics.ts'

export type HttpLoad = {
  readonly perSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  /** Requests to which the answer was that it can't be had now; counted nowhere else. */
  readonly unavailable: number
  /** Of one request. */
  readonly cpu: CpuMs
}

/** A whole request, and what its answer must hold, that many times. */
export type HttpQuestion = { readonly request: string; readonly expected: string; readonly times: number }

export type HttpTarget = { readonly url: URL; next(): HttpQuestion }

/** Starts to count the CPU time of whoever answers; see `cpu.ts`. */
export type HttpMeter = () => () => CpuMs

const WARM_UP_MS = 500
const RETRY_AFTER_MS = 50
const END_OF_HEAD = '\r\n\r\n'

export async function keepUpHttp(
  concurrency: number,
  seconds: number,
  target: HttpTarget,
  meter: HttpMeter,
): Promise<HttpLoad> {
  const start = performance.now() + WARM_UP_MS
  const end = start + seconds * 1_000
  const latenciesMs: number[] = []
  let unavailable = 0
  const metering = setTimeout(WARM_UP_MS).then(async () => {
    const read = meter()
    await setTimeout(end - performance.now())
    return read()
  })
  await Promise.all(
    Array.from({ length: concurrency }, async () => {
      const connection = await openConnection(target.url)
      for (let asked = performance.now(); asked < end; ) {
        const isAnswered = await askOver(connection, target.next())
        const answered = performance.now()
        if (!isAnswered) unavailable += 1
        else if (answered >= start && answered <= end) latenciesMs.push(answered - asked)
        asked = answered
      }
      connection.close()
    }),
  )
  const { clientMs, serverMs } = await metering
  const count = latenciesMs.length
  return {
    perSecond: count / seconds,
    p50Ms: percentile(latenciesMs, 0.5),
    p99Ms: percentile(latenciesMs, 0.99),
    unavailable,
    cpu: { clientMs: clientMs / count, serverMs: serverMs / count },
  }
}

/** Asks all of these until each is answered, by so many at a time. */
export async function askAll(concurrency: number, url: URL, questions: Iterable<HttpQuestion>): Promise<void> {
  const rest = questions[Symbol.iterator]()
  await Promise.all(
    Array.from({ length: concurrency }, async () => {
      const connection = await openConnection(url)
      for (let turn = rest.next(); !turn.done; turn = rest.next())
        while (!(await askOver(connection, turn.value))) await setTimeout(RETRY_AFTER_MS)
      connection.close()
    }),
  )
}

export function postOf(url: URL, path: string, headers: Readonly<Record<string, string>>, body: string): string {
  const all = { ...headers, 'Content-Type': 'application/json', 'Content-Length': String(Buffer.byteLength(body)) }
  return `${headOf('POST', url, path, all)}${body}`
}

export function getOf(url: URL, path: string, headers: Readonly<Record<string, string>>): string {
  return headOf('GET', url, path, headers)
}

function headOf(method: string, url: URL, path: string, headers: Readonly<Record<string, string>>): string {
  const lines = Object.entries({ Host: url.host, ...headers }).map(([name, value]) => `${name}: ${value}`)
  return `${[`${method} ${path} HTTP/1.1`, ...lines].join('\r\n')}${END_OF_HEAD}`
}

/** One question at a time; each answer is given with its head. */
export type Connection = { ask(request: string): Promise<string>; close(): void }

/** False where it can't be answered now. Throws for any other answer than the one that is expected. */
async function askOver({ ask }: Connection, { request, expected, times }: HttpQuestion): Promise<boolean> {
  const answer = await ask(request)
  const holds = times === 1 ? answer.includes(expected) : answer.split(expected).length - 1 === times
  if (!holds && !answer.includes('UNAVAILABLE'))
    throw new Error(`an answer without ${times} × ${expected}: ${answer.slice(0, 500)}`)
  return holds
}

export async function openConnection(url: URL): Promise<Connection> {
  const socket = connect(Number(url.port), url.hostname)
  socket.setNoDelay(true)
  await once(socket, 'connect')
  return { ask: askingOver(socket), close: () => socket.destroy() }
}

/** Gives each answer, head and all, when it is whole. One question at a time. */
function askingOver(socket: Socket): (request: string) => Promise<string> {
  let received = ''
  let answered: ((answer: string) => void) | undefined
  let failed: ((error: Error) => void) | undefined
  socket.setEncoding('latin1')
  socket.on('data', (text: string) => {
    received += text
    const bodyAt = received.indexOf(END_OF_HEAD) + END_OF_HEAD.length
    const length = /content-length: (\d+)/i.exec(received)?.[1]
    if (bodyAt < END_OF_HEAD.length || length === undefined || received.length < bodyAt + Number(length)) return
    const answer = received
    received = ''
    answered?.(answer)
  })
  socket.on('error', (error) => failed?.(error))
  socket.on('close', () => failed?.(new Error('the server closed the connection')))
  return (request) =>
    new Promise((resolve, reject) => {
      answered = resolve
      failed = reject
      socket.write(request)
    })
}
