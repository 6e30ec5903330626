// Bodies are held in memory before it is known who sends them: what all of them together may take is bounded.
import { createServer } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { queryObjects } from 'node:v8'
import { afterEach, expect, test } from 'vitest'
import { readBody } from '#http/body.ts'

const BYTES_MAX = 1_048_576
/** So many bodies of the greatest length, less what is small of each, fit into 128 MiB, and not one more. */
const FIT = 130

const left: (() => void)[] = []
afterEach(() => {
  for (const leave of left.splice(0)) leave()
})

async function startReader() {
  /** Kinds of bodies, and names of errors. */
  const results: string[] = []
  const sockets = new Set<Socket>()
  const server = createServer(async (request, response) => {
    sockets.add(request.socket)
    const read = await readBody(request, BYTES_MAX).then(
      ({ kind }): string => kind,
      (error: Error) => error.name,
    )
    results.push(read)
    response.end(read)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  left.push(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  const bytes = () => [...sockets].reduce((sum, { bytesRead }) => sum + bytesRead, 0)
  return { port, results, bytes }
}

/** Sends a part of a body of this length. */
function sendBody(port: number, length: number, part = length): Socket {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => undefined)
  left.push(() => socket.destroy())
  socket.write(`POST / HTTP/1.1\r\nHost: k\r\nContent-Length: ${length}\r\n\r\n${'x'.repeat(part)}`)
  return socket
}

const several = <Made>(times: number, make: () => Made): Made[] => Array.from({ length: times }, make)

test('large ones that never end take no more than their share, small ones are read all the same, and room comes back', async () => {
  const { port, results, bytes } = await startReader()
  const slow = several(FIT, () => sendBody(port, BYTES_MAX, BYTES_MAX - 1))
  await expect.poll(bytes).toBeGreaterThan(FIT * (BYTES_MAX - 1))
  expect(results).toEqual([])
  const refused = several(3, () => sendBody(port, BYTES_MAX, BYTES_MAX / 2))
  await expect.poll(() => results).toEqual(several(3, () => 'UnavailableError'))
  sendBody(port, 16_384)
  await expect.poll(() => results.slice(3)).toEqual(['text'])

  for (const socket of slow) socket.destroy()
  await expect.poll(() => results.slice(4)).toEqual(several(FIT, () => 'ClientGoneError'))
  // Of a refused one nothing is held any more, whatever comes.
  const before = bytes()
  for (const socket of refused) socket.write('x'.repeat(BYTES_MAX / 2 - 1))
  await expect.poll(bytes).toBe(before + 3 * (BYTES_MAX / 2 - 1))
  const again = several(FIT, () => sendBody(port, BYTES_MAX, BYTES_MAX - 1))
  await expect.poll(bytes).toBeGreaterThan(before + FIT * (BYTES_MAX - 1))
  for (const socket of again) socket.write('x')
  await expect.poll(() => results.slice(4 + FIT)).toEqual(again.map(() => 'text'))
})

test('in very small chunks are read, and take what they hold', async () => {
  const { port, results, bytes } = await startReader()
  const socket = connect(port, '127.0.0.1')
  left.push(() => socket.destroy())
  socket.write('POST / HTTP/1.1\r\nHost: k\r\nTransfer-Encoding: chunked\r\n\r\n')
  const before = buffers()
  const chunk = '1\r\nx\r\n'
  socket.write(chunk.repeat(100_000))
  await expect.poll(bytes).toBeGreaterThan(chunk.length * 100_000)
  // A buffer each would be a hundred thousand.
  await expect.poll(() => buffers() - before).toBeLessThan(20_000)
  socket.write('0\r\n\r\n')
  await expect.poll(() => results).toEqual(['text'])
})

/** That are alive. */
const buffers = () => queryObjects(Buffer, { format: 'count' })
