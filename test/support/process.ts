// The command line as a process of its own, in a folder of its own, for what only a real process shows: output, exit codes,
// signals.
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const PROGRAM = path.join(import.meta.dirname, '../../src/cli/keyledger.ts')
const CURL = fileURLToPath(new URL('./curl.ts', import.meta.url))
const WAIT_MS = 60_000

export type Variables = Readonly<Record<string, string>>

export type Ended = {
  readonly code: number | null
  readonly signal: string | null
  readonly stdout: string
  readonly stderr: string
}

export type Running = {
  readonly child: ChildProcess
  readonly ended: Promise<Ended>
  stdout(): string
  stderr(): string
  /** Resolves with what the pattern matched as soon as stdout has it; rejects if the process ends before. */
  says(pattern: RegExp): Promise<RegExpExecArray>
}

/** `keyledger <args>` with these variables and nothing of the test's own environment that would configure it. */
export function keyledger(args: readonly string[], variables: Variables, cwd = tmpdir()): Running {
  const { PATH = '', HOME = '' } = process.env
  const child = spawn(process.execPath, [PROGRAM, ...args], { cwd, env: { PATH, HOME, ...variables } })
  let stdout = ''
  let stderr = ''
  const onOutput = new Set<() => void>()
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
    for (const look of onOutput) look()
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  const ended = new Promise<Ended>((resolve) => {
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }))
  })
  return {
    child,
    ended,
    stdout: () => stdout,
    stderr: () => stderr,
    says(pattern) {
      return new Promise((resolve, reject) => {
        const timer = setTimeout(reject, WAIT_MS, new Error(`Not said: ${pattern}\n${stdout}\n${stderr}`))
        const look = () => {
          const match = pattern.exec(stdout)
          if (match === null) return
          clearTimeout(timer)
          onOutput.delete(look)
          resolve(match)
        }
        onOutput.add(look)
        ended.then((end) => reject(new Error(`Ended with ${end.code ?? end.signal}: ${end.stderr}`)))
        look()
      })
    },
  }
}

/** A folder that goes when the test ends, with an empty place for data in it. */
export async function temporaryFolder(): Promise<{ folder: string; dataFolder: string; remove(): Promise<void> }> {
  const folder = await mkdtemp(path.join(tmpdir(), 'keyledger-process-'))
  return {
    folder,
    dataFolder: path.join(folder, 'data'),
    remove: () => rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 }),
  }
}

/** The process id of the embedded PostgreSQL on this data folder; undefined where none has it. */
export function postgresOf(dataFolder: string): number | undefined {
  const file = path.join(dataFolder, 'postgres', 'postmaster.pid')
  return existsSync(file) ? Number(readFileSync(file, 'utf8').split('\n')[0]) : undefined
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

/** Runs a line as pasted into sh. What it calls `curl` is ours, as a machine may have none; it knows -s -S -H -d only. */
export async function paste(line: string, variables: Variables = {}): Promise<string> {
  const { PATH = '' } = process.env
  const script = `curl() { "$TEST_NODE" "$TEST_CURL" "$@"; }\n${line}\n`
  const env = { PATH, TEST_NODE: process.execPath, TEST_CURL: CURL, ...variables }
  const child = spawn('/bin/sh', ['-c', script], { env, stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
  })
  const code = await new Promise((resolve) => child.on('close', resolve))
  if (code !== 0) throw new Error(`sh ended with ${code}: ${output}`)
  return output
}
