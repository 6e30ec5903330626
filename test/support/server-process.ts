// The real server in a process of its own, so that it can really be killed.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'

const PROJECT = `${import.meta.dirname}/../..`

export type ServerProcess = {
  readonly process: ChildProcess
  readonly url: string
  /** All that the process has printed until it was ready. */
  readonly printed: readonly string[]
  /** Sends the signal, unless the process has ended already, and waits for its end. */
  end(signal: NodeJS.Signals): Promise<void>
}

/** Starts the server as `npm start` does, on any free port, and waits until it is ready and has printed `awaited` too. */
export async function startServerProcess(
  settings: Readonly<Record<string, string>>,
  awaited = /^Keyledger is ready/,
): Promise<ServerProcess> {
  const child = spawn('node', ['src/cli/keyledger.ts', 'start'], {
    cwd: PROJECT,
    env: { PATH: process.env.PATH, HOME: process.env.HOME, PORT: '0', LOG_LEVEL: 'silent', ...settings },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = once(child, 'exit')
  const printed: string[] = []
  for await (const line of createInterface({ input: child.stdout as NodeJS.ReadableStream })) {
    printed.push(line)
    const url = printed.map((text) => /^Keyledger is ready: (http:\/\/\S+)\/graphql/.exec(text)?.[1]).find(Boolean)
    if (url === undefined || !printed.some((text) => awaited.test(text))) continue
    child.stdout?.resume()
    const end = async (signal: NodeJS.Signals) => {
      child.kill(signal)
      await exited
    }
    return { process: child, url, printed, end }
  }
  throw new Error(`the server ended before it was ready:\n${printed.join('\n')}`)
}

/** The root key among the lines of a first start. */
export function rootKeyIn(printed: readonly string[]): string {
  const rootKey = printed.map((line) => /^ {2}(root_\w+)$/.exec(line)?.[1]).find((found) => found !== undefined)
  if (rootKey === undefined) throw new Error('no root key was printed')
  return rootKey
}
