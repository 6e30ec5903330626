// CPU time of an operation, of this process and of the server. On a machine that others use too it says more than a rate does:
// waiting for a turn costs none.
import { readdirSync, readFileSync } from 'node:fs'
import type { OpenDatabase } from '#database/open.ts'

export type CpuMs = { readonly clientMs: number; readonly serverMs: number }

/** Starts to count; the function it gives says how much there was since then. */
export type CpuMeter = () => () => CpuMs

/** `serverMs` is NaN where there is no /proc to read it from. */
export async function cpuMeterFor({ owner }: OpenDatabase): Promise<CpuMeter> {
  const { rows } = await owner.pool.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')
  const postmaster = parentOf(String(rows[0]?.pid))
  return () => {
    const client = process.cpuUsage()
    const server = cpuMsOfChildren(postmaster)
    return () => {
      const { user, system } = process.cpuUsage(client)
      return { clientMs: (user + system) / 1_000, serverMs: difference(server, cpuMsOfChildren(postmaster)) }
    }
  }
}

/** By pid: backends come and go. */
type CpuMsByPid = ReadonlyMap<string, number>

function cpuMsOfChildren(parent: string | undefined): CpuMsByPid | undefined {
  if (parent === undefined) return undefined
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name) && parentOf(name) === parent)
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

/** NaN where the process has ended. */
function cpuMsOf(pid: string): number {
  return Number(read(pid, 'schedstat')?.split(' ')[0] ?? Number.NaN) / 1e6
}

/** Undefined where the process has ended, or the system has no /proc. */
function read(pid: string, file: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8')
  } catch {
    return undefined
  }
}
