// The rehearsal of a restore, run as it is printed, on a PostgreSQL that has pg_dump: Debian's.
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { onTestFinished, test } from 'vitest'
import { newSigningKeyText } from '#audit/note/signing-key.ts'
import { newRootKey } from '#secret/ids.ts'
import { newKeyringText } from '#secret/keyring.ts'
import { freePort } from '#test/support/machine.ts'
import { postgresFolders, startOwnPostgres } from '#test/support/own-postgres.ts'
import { blocksOf, replay, startShell, stepsOf } from '#test/support/transcript.ts'

const PROJECT = path.join(import.meta.dirname, '../..')
const bin = Object.values(await postgresFolders()).find((folder) => existsSync(path.join(folder, 'pg_dump')))

test.skipIf(bin === undefined)(
  'docs/restore.md comes to what it says (skipped without pg_dump)',
  { timeout: 180_000 },
  async () => {
    const page = await readFile(path.join(PROJECT, 'docs/restore.md'), 'utf8')
    const folder = await mkdtemp(path.join(tmpdir(), 'keyledger-restore-'))
    onTestFinished(() => rm(folder, { recursive: true, force: true }))
    const postgres = await startOwnPostgres(bin ?? '')
    onTestFinished(() => postgres.stop())
    const url = postgres.urlOf('postgres', 'keyledger')
    const programs = path.join(folder, 'bin')
    await mkdir(programs)
    const keyledger = path.join(programs, 'keyledger')
    await writeFile(keyledger, `#!/bin/sh\nexec '${process.execPath}' '${PROJECT}/src/cli/keyledger.ts' "$@"\n`)
    await chmod(keyledger, 0o755)
    const PATH = `${programs}:${bin}:${process.env.PATH}`
    await promisify(execFile)('createdb', ['--maintenance-db', postgres.urlOf('postgres', 'postgres'), 'keyledger'], {
      env: { PATH },
    })
    const shell = startShell({
      LOG_LEVEL: 'info',
      PATH,
      DATABASE_URL: url,
      KEYLEDGER_SECRETS: newKeyringText(),
      KEYLEDGER_AUDIT_KEY: newSigningKeyText(),
      KEYLEDGER_ROOT_KEY: newRootKey().reveal(),
      PORT: String(await freePort()),
    })
    await shell.run(`cd '${folder}'`)
    await replay(shell, blocksOf(page).flatMap(stepsOf), new Map())
    await shell.close()
  },
)
