// PostgreSQL as a child process that can't outlive us: a shell stands between, holding the end of a pipe whose other end
// only we have. When we are gone, even by kill -9, the pipe closes and the shell stops the server.

import { type ChildProcess, spawn } from 'node:child_process'
import { Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { ENVIRONMENT, type RunAs } from './identity.ts'

// $0 is the socket folder, the rest the command.
// - The watcher sends SIGINT, PostgreSQL's fast shutdown; and SIGTERM before it, because a background child of a shell
//   ignores SIGINT until it sets its own handlers: if we die in that moment, SIGTERM ends it.
// - Both shells ignore the signals that a service manager sends to every process, or they would be gone before the server.
// - If the server ends by itself, the shell, who waits for it, ends the watcher. If the shell is killed, Node closes the
//   pipe of a child that is gone, and the watcher still stops the server.
const WATCHDOG = `
exec 3<&0 </dev/null
"$@" 3<&- &
server=$!
trap '' HUP INT TERM
(read -r _ <&3; kill -TERM "$server"; kill -INT "$server") >/dev/null 2>&1 &
watcher=$!
exec 3<&-
wait "$server"
status=$?
kill -KILL "$watcher" 2>/dev/null
rm -rf -- "$0"
exit "$status"
`

const TAIL_LINES = 50
// After the shell has ended, its pipe closes at once, unless a backend of a killed server takes a moment to notice.
const LAST_WORDS_MS = 1_000

export type ServerProcess = {
  /** Resolves with the last lines of the log when the process has ended, for whatever reason. */
  readonly ended: Promise<string>
  hasEnded(): boolean
  /** Fast shutdown; resolves when it has ended. */
  stop(): Promise<void>
}

export type Launch = {
  readonly command: readonly string[]
  readonly socketFolder: string
  readonly cwd: string
  readonly runAs: RunAs
  readonly log: (line: string) => void
}

/** Does not keep Node's event loop alive. */
export function launch({ command, socketFolder, cwd, runAs, log }: Launch): ServerProcess {
  const child = spawn('/bin/sh', ['-c', WATCHDOG, socketFolder, ...command], {
    ...runAs,
    cwd,
    env: ENVIRONMENT,
    stdio: ['pipe', 'ignore', 'pipe'],
    // A session of its own: Ctrl-C goes to the whole process group of the terminal, and we still need the database then.
    detached: true,
  })
  const tail: string[] = []
  createInterface({ input: child.stderr }).on('line', (line) => {
    tail.push(line)
    if (tail.length > TAIL_LINES) tail.shift()
    log(line)
  })
  child.stdin.on('error', () => {}) // it is only ever closed, so there is nothing to lose when the other end is gone
  const ended = endOf(child).then((problem) => [...tail, ...problem].join('\n'))
  let hasEnded = false
  ended.then(() => {
    hasEnded = true
  })
  setHold(false)
  return {
    ended,
    hasEnded: () => hasEnded,
    stop: async () => {
      setHold(true)
      child.stdin.end()
      await ended
    },
  }

  function setHold(isHeld: boolean): void {
    for (const handle of [child, child.stdin, child.stderr])
      if (handle === child || handle instanceof Socket) isHeld ? handle.ref() : handle.unref()
  }
}

/** Resolves with why it could not even be started, if so. */
function endOf(child: ChildProcess): Promise<readonly string[]> {
  return new Promise((resolve) => {
    child.once('error', (error) => resolve([error.message]))
    child.once('close', () => resolve([]))
    child.once('exit', () => setTimeout(() => resolve([]), LAST_WORDS_MS).unref())
  })
}
