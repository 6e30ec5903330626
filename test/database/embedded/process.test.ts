// The watchdog at the moments when PostgreSQL itself can't help: here it guards a program that handles no signal.

import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { launch, type ServerProcess } from '#database/embedded/process.ts'

function guarded(...command: readonly string[]): { server: ServerProcess; socketFolder: string } {
  const socketFolder = mkdtempSync(path.join(os.tmpdir(), 'keyledger-'))
  onTestFinished(() => rmSync(socketFolder, { recursive: true, force: true }))
  return { server: launch({ command, socketFolder, cwd: os.tmpdir(), runAs: {}, log: () => {} }), socketFolder }
}

/** The pids of the processes with this text in their command line. */
function pidsOf(text: string): readonly number[] {
  const lines = execFileSync('ps', ['-eo', 'pid=,args='], { encoding: 'utf8' }).split('\n')
  return lines.filter((line) => line.includes(text)).map((line) => Number.parseInt(line, 10))
}

test('a server that is stopped before it has set its signal handlers ends too', async () => {
  const { server, socketFolder } = guarded('sleep', '600')
  await server.stop()
  expect(server.hasEnded()).toBe(true)
  expect(pidsOf(socketFolder)).toEqual([])
  expect(existsSync(socketFolder)).toBe(false)
})

test('a watchdog that is killed takes the server along', async () => {
  // An argument to tell it by, which sleep, unlike a shell, would not take.
  const { server, socketFolder } = guarded('sh', '-c', 'while :; do sleep 0.05; done', `guarded-${process.pid}`)
  await waitFor(() => pidsOf(`done guarded-${process.pid}`).length > 0)
  const watchdog = execFileSync('pgrep', ['-P', String(process.pid), '-f', socketFolder], { encoding: 'utf8' })
  process.kill(Number(watchdog), 'SIGKILL')
  await server.ended
  await waitFor(() => pidsOf(`guarded-${process.pid}`).length === 0)
})

test('a program that cannot be run is reported in the words of the shell', async () => {
  const { server } = guarded('/nowhere/postgres')
  expect(await server.ended).toContain('/nowhere/postgres')
})

async function waitFor(condition: () => boolean): Promise<void> {
  while (!condition()) await delay(10)
}
