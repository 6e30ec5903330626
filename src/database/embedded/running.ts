// Which server holds a cluster, read from the postmaster.pid that PostgreSQL keeps in it. The file outlives a killed
// server, and its pid may since have become another process's, so it counts only if that process is the one that wrote it.

import { execFileSync } from 'node:child_process'
import { closeSync, openSync, readFileSync, statSync } from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import { clusterFolder } from './cluster.ts'
import { codeOf } from './errors.ts'

export type PostmasterFile = {
  readonly pid: number
  readonly port: number
  readonly socketFolder: string
  readonly isReady: boolean
}

/**
 * Where another process's server on this data folder can be reached (`host` is its socket folder), if there is one that
 * accepts connections.
 */
export function findRunningServer(dataFolder: string): { host: string; port: number } | undefined {
  const cluster = clusterFolder(path.resolve(dataFolder))
  const file = readPostmasterFile(cluster)
  if (file === undefined || !file.isReady || !isAtWork(cluster, file)) return undefined
  return { host: file.socketFolder, port: file.port }
}

/** Undefined if there is none, it can't be read, or it is not (yet) whole. */
export function readPostmasterFile(cluster: string): PostmasterFile | undefined {
  let text: string
  try {
    text = readFileSync(path.join(cluster, 'postmaster.pid'), 'utf8')
  } catch {
    return undefined
  }
  // pid, data folder, start time, port, first socket folder, first TCP address, shared memory, status
  const [pid, , , port, socketFolder, , , status] = text.split('\n')
  const isReady = status?.trim() === 'ready'
  const file = { pid: Number(pid), port: Number(port), socketFolder: socketFolder ?? '', isReady }
  return Number.isInteger(file.pid) && file.pid > 0 ? file : undefined
}

/**
 * Whether the process that wrote this file still serves this cluster: one whose command line names that very socket
 * folder, which is random (or, while the file does not have it yet, is a postgres's), and which works here.
 */
export function isAtWork(cluster: string, { pid, socketFolder }: PostmasterFile): boolean {
  const command = commandLineOf(pid)
  return (
    command.includes(socketFolder || '/postgres -D ') &&
    !command.startsWith('/bin/sh ') &&
    !worksElsewhere(pid, cluster)
  )
}

function commandLineOf(pid: number): string {
  try {
    return process.platform === 'linux'
      ? readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
      : execFileSync('/bin/ps', ['-o', 'command=', '-p', String(pid)], { encoding: 'utf8' })
  } catch {
    return '' // no such process
  }
}

/** True for the server of a folder that was copied with its postmaster.pid. */
function worksElsewhere(pid: number, cluster: string): boolean {
  try {
    const works = statSync(`/proc/${pid}/cwd`)
    const here = statSync(cluster)
    return works.dev !== here.dev || works.ino !== here.ino
  } catch {
    return false // we may not look: root in a container has no CAP_SYS_PTRACE; or there is no /proc
  }
}

/**
 * Whether a server answers on the socket that each of ours opens inside its cluster too. It tells of one whose pid means
 * nothing here: in another container that shares the folder, as when a deployment starts the new before it stops the old.
 */
export function answersInside(cluster: string): Promise<boolean> {
  if (process.platform !== 'linux') return Promise.resolve(false)
  return new Promise((resolve) => {
    // Through a descriptor, as the path itself may exceed the 107 bytes that a socket's may have.
    const folder = openSync(cluster, 'r')
    const file = readPostmasterFile(cluster)
    const socket = net.connect(`/proc/self/fd/${folder}/.s.PGSQL.${file?.port ?? 5432}`)
    const settle = (answers: boolean) => {
      socket.destroy()
      closeSync(folder)
      resolve(answers)
    }
    // EAGAIN: its queue is full, so there is one.
    socket.once('connect', () => settle(true)).once('error', (error) => settle(codeOf(error) === 'EAGAIN'))
  })
}
