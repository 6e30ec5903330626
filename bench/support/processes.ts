// Servers to be measured, each in a process of its own.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'

const PROJECT = `${import.meta.dirname}/../..`

export type Started = {
  readonly pid: number
  readonly url: URL
  /** All that was printed until it was ready. */
  readonly printed: readonly string[]
  stop(): Promise<void>
}

const children = new Set<ChildProcess>()
// A benchmark that is stopped midway leaves nothing that others would measure, too.
process.once('exit', () => {
  for (const child of children) child.kill('SIGKILL')
})

/** Node.js on this file of the project, ready as soon as it has printed the URL of where it listens. */
export async function startProcess(
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<Started> {
  const child = spawn(process.execPath, args, {
    cwd: PROJECT,
    env: { PATH: process.env.PATH, HOME: process.env.HOME, NODE_ENV: 'production', ...environment },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  children.add(child)
  const printed: string[] = []
  for await (const line of createInterface({ input: child.stdout })) {
    printed.push(line)
    const url = /(http:\/\/[\d.:]+)/.exec(line)?.[1]
    if (url === undefined || child.pid === undefined) continue
    child.stdout.resume()
    return { pid: child.pid, url: new URL(url), printed, stop: () => stop(child) }
  }
  throw new Error(`${args.join(' ')} ended before it was ready:\n${printed.join('\n')}`)
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill('SIGTERM')
  await exited
}
