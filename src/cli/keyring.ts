// Which secrets of the server are in force, and that they are the ones the data was made under: with others, every good key
// would be answered as unknown, and what is made meanwhile would be lost with the way back.
import path from 'node:path'
import type { Database } from '#database/connect.ts'
import { InstallationError } from '#database/open.ts'
import type { DatabaseLocation } from '#database/pools.ts'
import { UNFINISHED_MOVE } from '#log/copy.ts'
import { checkValueOf } from '#secret/check-value.ts'
import { sameDigest } from '#secret/digest.ts'
import { type Keyring, newKeyringText, parseKeyring } from '#secret/keyring.ts'
import { keep, readKept } from './kept-file.ts'

type KeyringSettings = { readonly database: DatabaseLocation; readonly keyring: Keyring | null }

/**
 * The keyring of an installation: configured, or kept in the embedded database's data folder and made there with it. Checked
 * against what is registered in the database; new ids are registered. Throws InstallationError.
 */
export async function openKeyring(settings: KeyringSettings, database: Database): Promise<Keyring> {
  const registered = await registeredSecrets(database)
  const keyring =
    settings.database.kind === 'server'
      ? requireConfigured(settings.keyring)
      : embeddedKeyring(settings.database.dataFolder, settings.keyring, registered)
  requireRegistered(keyring, registered)
  await register(keyring, database)
  // Once more: another instance may have registered another value under the same id at the same moment.
  requireRegistered(keyring, await registeredSecrets(database))
  return keyring
}

type Registered = ReadonlyMap<string, Buffer>

async function registeredSecrets(database: Database): Promise<Registered> {
  const rows = await database.kysely.selectFrom('vault.secret_check').selectAll().orderBy('secret_id').execute()
  return new Map(rows.map((row) => [row.secret_id, row.check_value]))
}

async function register(keyring: Keyring, database: Database): Promise<void> {
  await database.kysely
    .insertInto('vault.secret_check')
    .values(keyring.all.map((entry) => ({ secret_id: entry.id, check_value: checkValueOf(entry) })))
    .onConflict((conflict) => conflict.doNothing())
    .execute()
}

function requireRegistered(keyring: Keyring, registered: Registered): void {
  if (registered.has(UNFINISHED_MOVE))
    throw new InstallationError(
      `A move to this database did not finish (${UNFINISHED_MOVE}), so it holds only part of the data. Run ` +
        '`keyledger move` again: it says how to empty the database first.',
    )
  const problems = [...registered].flatMap(([id, checkValue]) => {
    const entry = keyring.byId(id)
    if (entry === undefined)
      return [
        `The secret ${id} is not configured, but the data in this database was made under it. Put its entry back into ` +
          'KEYLEDGER_SECRETS (or the file `secrets` of the data folder); a newer one goes in front of it, not in its place.',
      ]
    if (!sameDigest(checkValueOf(entry), checkValue))
      return [
        `The secret ${id} has another value than the one the data in this database was made under. Put the old value ` +
          'back; a new value needs an id of its own.',
      ]
    return []
  })
  if (problems.length > 0) throw new InstallationError(problems.join('\n'))
}

function requireConfigured(keyring: Keyring | null): Keyring {
  if (keyring === null) throw new InstallationError('KEYLEDGER_SECRETS must be set where DATABASE_URL is.')
  return keyring
}

/** What is configured goes before the file, as long as it has all that the file has: then no secret is lost by using it. */
function embeddedKeyring(dataFolder: string, configured: Keyring | null, registered: Registered): Keyring {
  const file = path.join(path.resolve(dataFolder), 'secrets')
  const kept = readKeyringFile(file)
  if (configured !== null) {
    const missing = kept?.all.filter((entry) => !hasSame(configured, entry)).map((entry) => entry.id) ?? []
    if (missing.length === 0) return configured
    throw new InstallationError(
      `KEYLEDGER_SECRETS does not have the same ${missing.join(', ')} as ${file}. Add what is there to it, or unset it ` +
        'to use the file alone.',
    )
  }
  if (kept !== undefined) return kept
  if (registered.size > 0)
    throw new InstallationError(
      `${file} is gone, and the data was made under what was in it (${[...registered.keys()].join(', ')}). Restore the ` +
        'file from a backup, or set KEYLEDGER_SECRETS if that is where it was.',
    )
  return makeKeyringFile(file)
}

function hasSame(keyring: Keyring, entry: Keyring['newest']): boolean {
  const other = keyring.byId(entry.id)
  return other !== undefined && sameDigest(checkValueOf(other), checkValueOf(entry))
}

/** Undefined where there is none. */
function readKeyringFile(file: string): Keyring | undefined {
  const text = readKept(file)
  if (text === undefined) return undefined
  const read = parseKeyring(text)
  if (!read.ok)
    throw new InstallationError(`${file} is damaged: ${read.problems.join('; ')}. Restore it from a backup.`)
  return read.keyring
}

function makeKeyringFile(file: string): Keyring {
  keep(file, newKeyringText())
  return requireConfigured(readKeyringFile(file) ?? null)
}
