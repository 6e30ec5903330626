// A postmaster.pid is only believed of a server that is really at work in its folder; lifecycle.test.ts has one that is.

import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { findRunningServer } from '#database/embedded/running.ts'
import { startEmbeddedServer } from '#database/embedded/server.ts'

vi.setConfig({ testTimeout: 60_000 })

function temporaryFolder(): string {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'embedded-test-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

function folderWith(postmasterPid: string): string {
  const dataFolder = temporaryFolder()
  mkdirSync(path.join(dataFolder, 'postgres'))
  writeFileSync(path.join(dataFolder, 'postgres/postmaster.pid'), postmasterPid)
  return dataFolder
}

function postmasterPid(pid: number, status = 'ready'): string {
  return `${pid}\n/proc/self/cwd\n1795260836\n5432\n/tmp/keyledger-000000\n\n  2146413         4\n${status}   \n`
}

test('a folder that does not exist, or was never served, has no running server', () => {
  expect(findRunningServer(path.join(temporaryFolder(), 'none'))).toBeUndefined()
  expect(findRunningServer(temporaryFolder())).toBeUndefined()
})

test.each(['', 'ready', '-1\n/\n', postmasterPid(Number.NaN)])('a postmaster.pid of %j tells of no server', (text) => {
  expect(findRunningServer(folderWith(text))).toBeUndefined()
})

test('the pid of a process that is gone, or that is no postgres, tells of no server', async () => {
  const gone = spawn('true')
  await new Promise((resolve) => gone.once('exit', resolve))
  expect(findRunningServer(folderWith(postmasterPid(Number(gone.pid))))).toBeUndefined()
  expect(findRunningServer(folderWith(postmasterPid(process.pid)))).toBeUndefined()
})

test('a server is found while it runs, by its own folder only', async () => {
  const dataFolder = temporaryFolder()
  const server = await startEmbeddedServer({ dataFolder, settings: { fsync: 'off' } })
  onTestFinished(() => server.stop())
  expect(findRunningServer(dataFolder)).toEqual({ host: server.socketFolder, port: server.port })
  expect(findRunningServer(path.relative(process.cwd(), dataFolder))).toEqual({
    host: server.socketFolder,
    port: server.port,
  })

  const copied = temporaryFolder()
  mkdirSync(path.join(copied, 'postgres'))
  const pidFile = readFileSync(path.join(dataFolder, 'postgres/postmaster.pid'))
  writeFileSync(path.join(copied, 'postgres/postmaster.pid'), pidFile)
  expect(findRunningServer(copied)).toBeUndefined()

  await server.stop()
  expect(findRunningServer(dataFolder)).toBeUndefined()
})
