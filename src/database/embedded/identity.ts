// Which user runs PostgreSQL, and short commands run as that user. PostgreSQL refuses root, and no system user may be
// created for it, so root hands it to the unprivileged owner of the data or to nobody.

import { execFile } from 'node:child_process'
import { statSync } from 'node:fs'
import { promisify } from 'node:util'
import { codeOf, EmbeddedUnavailableError, messageOf, USE_ANOTHER_DATABASE, USE_ANOTHER_FOLDER } from './errors.ts'

/** Empty: as ourselves. The shape is that of node:child_process options. */
export type RunAs = { readonly uid?: number; readonly gid?: number }

const execute = promisify(execFile)

// "nobody" wherever there is a passwd file, and the id the kernel itself uses for users it can't name.
const NOBODY: RunAs = { uid: 65_534, gid: 65_534 }

// Nothing of our own environment: it holds KEYLEDGER_SECRETS, and PG* variables would change what the server does.
export const ENVIRONMENT: NodeJS.ProcessEnv = { PATH: '/usr/local/bin:/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' }

/** The user who runs PostgreSQL over this cluster folder, which need not exist yet. Throws EmbeddedUnavailableError. */
export function chooseRunAs(cluster: string): RunAs {
  const self = process.getuid?.()
  if (process.platform === 'win32' || self === undefined)
    throw new EmbeddedUnavailableError('it is not made for Windows', USE_ANOTHER_DATABASE)
  const owner = ownerOf(cluster)
  if (self !== 0) {
    if (owner?.uid !== undefined && owner.uid !== self)
      throw new EmbeddedUnavailableError(
        `${cluster} belongs to uid ${owner.uid}, and this process runs as uid ${self}`,
        USE_ANOTHER_FOLDER,
      )
    return {}
  }
  // Reaching a folder below one that is closed to the unprivileged user takes /proc/self/cwd, which only Linux has.
  if (process.platform !== 'linux')
    throw new EmbeddedUnavailableError(
      'it does not run as root here',
      `Start as an ordinary user. ${USE_ANOTHER_DATABASE}`,
    )
  if (owner?.uid === 0)
    throw new EmbeddedUnavailableError(
      `${cluster} belongs to root, as whom PostgreSQL refuses to run (chown -R 65534:65534 would give it back)`,
      USE_ANOTHER_FOLDER,
    )
  return owner ?? NOBODY
}

function ownerOf(folder: string): RunAs | undefined {
  try {
    const { uid, gid } = statSync(folder)
    return { uid, gid }
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw new EmbeddedUnavailableError(messageOf(error), USE_ANOTHER_FOLDER, { cause: error })
  }
}

export type Outcome = { readonly status: number; readonly output: string }

/** Runs a short command to its end as that user. Throws EmbeddedUnavailableError if we may not become that user. */
export async function run(command: string, args: readonly string[], runAs: RunAs, cwd = '/'): Promise<Outcome> {
  try {
    const { stdout, stderr } = await execute(command, args, { ...runAs, cwd, env: ENVIRONMENT })
    return { status: 0, output: (stdout + stderr).trim() }
  } catch (error) {
    const code = codeOf(error)
    if (code === 'EPERM' || code === 'EINVAL')
      throw new EmbeddedUnavailableError(
        `this root may not hand it to the unprivileged uid ${runAs.uid ?? '?'} (${code})`,
        `Start as an ordinary user. ${USE_ANOTHER_DATABASE}`,
        { cause: error },
      )
    const { code: status, stdout, stderr } = error as { code?: unknown; stdout?: string; stderr?: string }
    const output = `${stdout ?? ''}${stderr ?? ''}`.trim()
    return { status: typeof status === 'number' ? status : -1, output: output || messageOf(error) }
  }
}

/** Whether a shell test (`test -w "$0"`) of a path holds for that user: asks the kernel, so groups and ACLs count. */
export async function holdsFor(runAs: RunAs, shellTest: string, folder: string): Promise<boolean> {
  return (await run('/bin/sh', ['-c', shellTest, folder], runAs)).status === 0
}
