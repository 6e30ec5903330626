// How much memory a server process really needs: what is left on its heap after a collection, asked over the debugger's protocol.
import { createServer } from 'node:net'

export type HeapMeter = { usedMib(): Promise<number>; close(): void }

const MIB = 1024 * 1024

export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (address === null || typeof address === 'string') throw new Error('a TCP server has a port')
  return address.port
}

/** Of the process that was started with `--inspect` on this port of 127.0.0.1. */
export async function heapMeterAt(port: number): Promise<HeapMeter> {
  const [target] = (await (await fetch(`http://127.0.0.1:${port}/json/list`)).json()) as {
    webSocketDebuggerUrl: string
  }[]
  const socket = new WebSocket(target?.webSocketDebuggerUrl ?? '')
  await new Promise((resolve, reject) => {
    socket.addEventListener('open', resolve)
    socket.addEventListener('error', reject)
  })
  const waiting = new Map<number, (result: { usedSize?: number }) => void>()
  socket.addEventListener('message', ({ data }) => {
    const { id, result } = JSON.parse(String(data))
    waiting.get(id)?.(result ?? {})
    waiting.delete(id)
  })
  let count = 0
  const call = (method: string) =>
    new Promise<{ usedSize?: number }>((resolve) => {
      const id = ++count
      waiting.set(id, resolve)
      socket.send(JSON.stringify({ id, method }))
    })
  return {
    async usedMib() {
      await call('HeapProfiler.collectGarbage')
      return ((await call('Runtime.getHeapUsage')).usedSize ?? Number.NaN) / MIB
    },
    close: () => socket.close(),
  }
}
