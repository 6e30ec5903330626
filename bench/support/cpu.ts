// CPU time of an operation, of a process that asks and of one that answers. On a machine that others use too it says more than a
// rate does: waiting for a turn costs none.
import { readdirSync, readFileSync } from 'node:fs'
import type { OpenDatabase } from '#database/open.ts'

/** `clientMs`: of whoever asks PostgreSQL. `serverMs`: of PostgreSQL. NaN where there is no /proc to read it from. */
export type CpuMs = { readonly clientMs: number; readonly serverMs: number }

/** Starts to count; the function it gives says how much there was since then. */
export type CpuMeter = () => () => CpuMs

/** Of this process, or of the one whose id is given. */
export async function cpuMeterFor({ owner }: OpenDatabase, clientPid = process.pid): Promise<CpuMeter> {
  const { rows } = await owner.pool.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')
  const postmaster = parentOf(String(rows[0]?.pid))
  return () => {
    const client = cpuMsOf(String(clientPid))
    const server = cpuMsOfChildren(postmaster)
    return () => ({
      clientMs: cpuMsOf(String(clientPid)) - client,
      serverMs: difference(server, cpuMsOfChildren(postmaster)),
    })
  }
}

/** Of memory that is not swapped out; NaN where there is no /proc, or no such process. */
export function residentMib(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(read(String(pid), 'status') ?? '')?.[1] ?? Number.NaN) / 1_024
}

/** By pid: backends come and go. */
type CpuMsByPid = ReadonlyMap<string, number>

function cpuMsOfChildren(parent: string | undefined): CpuMsByPid | undefined {
  if (parent === undefined) return undefined
  const pids = numbersIn('/proc').filter((pid) => parentOf(pid) === parent)
  const known = pids.map((pid) => [pid, cpuMsOf(pid)] as const)
  return new Map(known.filter(([, cpuMs]) => !Number.isNaN(cpuMs)))
}

function difference(before: CpuMsByPid | undefined, after: CpuMsByPid | undefined): number {
  if (before === undefined || after === undefined) return Number.NaN
  return [...after].reduce((sum, [pid, cpuMs]) => sum + cpuMs - (before.get(pid) ?? 0), 0)
}

function parentOf(pid: string): string | undefined {
  // The name of the program stands in parentheses and may hold anything; then state, parent.
  return read(pid, 'stat')?.split(') ').at(-1)?.split(' ')[1]
}

/** All threads: garbage is collected beside the one that serves. NaN where the process has ended. */
function cpuMsOf(pid: string): number {
  const threads = numbersIn(`/proc/${pid}/task`).map((thread) => read(pid, `task/${thread}/schedstat`))
  const known = threads.filter((text) => text !== undefined).map((text) => Number(text.split(' ')[0]) / 1e6)
  return known.length === 0 ? Number.NaN : known.reduce((sum, ms) => sum + ms, 0)
}

function numbersIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder).filter((name) => /^\d+$/.test(name))
  } catch {
    return []
  }
}

/** Undefined where the process has ended, or the system has no /proc. */
function read(pid: string, file: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8')
  } catch {
    return undefined
  }
}
