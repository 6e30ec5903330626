// Load over HTTP in a closed loop, by sockets alone: what asks must cost little, as it shares the machine with what answers.
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

export type HttpLoad = { readonly perSecond: number; readonly latenciesMs: readonly number[] }

export type HttpTarget = {
  readonly url: URL
  readonly path: string
  readonly authorization: string
  /** The body of the next request, and what its answer must hold. */
  next(): { readonly body: string; readonly expected: string }
}

const WARM_UP_MS = 500
const END_OF_HEAD = '\r\n\r\n'

export async function keepUpHttp(concurrency: number, seconds: number, target: HttpTarget): Promise<HttpLoad> {
  const start = performance.now() + WARM_UP_MS
  const end = start + seconds * 1_000
  const latenciesMs: number[] = []
  const caller = async () => {
    const socket = connect(Number(target.url.port), target.url.hostname)
    socket.setNoDelay(true)
    await once(socket, 'connect')
    const ask = askingOver(socket)
    for (let asked = performance.now(); asked < end; ) {
      const { body, expected } = target.next()
      const answer = await ask(requestOf(target, body))
      if (!answer.includes(expected)) throw new Error(`an answer without ${expected}: ${answer.slice(0, 500)}`)
      const answered = performance.now()
      if (asked >= start) latenciesMs.push(answered - asked)
      asked = answered
    }
    socket.destroy()
  }
  await Promise.all(Array.from({ length: concurrency }, caller))
  return { perSecond: latenciesMs.length / seconds, latenciesMs }
}

function requestOf({ url, path, authorization }: HttpTarget, body: string): string {
  return (
    `POST ${path} HTTP/1.1\r\nHost: ${url.host}\r\nAuthorization: Bearer ${authorization}\r\n` +
    `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}${END_OF_HEAD}${body}`
  )
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
