// What every command works on: the database of this configuration, and the secrets that its data was made under.
import type { BaseLogger } from 'pino'
import type { Config } from '#config.ts'
import { messageOf } from '#database/embedded/errors.ts'
import { type JoinedDatabase, joinDatabase } from '#database/join.ts'
import { InstallationError, type OpenDatabase, openDatabase } from '#database/open.ts'
import type { Keyring } from '#secret/keyring.ts'
import { openKeyring } from './keyring.ts'

export type Installation = OpenDatabase & { readonly keyring: Keyring }

type Options = { readonly log: BaseLogger; readonly maintenance: boolean }

/** Throws what openDatabase and openKeyring throw, with nothing left open. */
export async function openInstallation(config: Config, options: Options): Promise<Installation> {
  const database = await openDatabase(config, options)
  try {
    return { ...database, keyring: await openKeyring(config, database.serving) }
  } catch (error) {
    await database.close()
    throw error
  }
}

export type JoinedInstallation = JoinedDatabase & { readonly keyring: Keyring }

/** The same for a worker, while its primary has the installation open. Throws InstallationError, with nothing left open. */
export async function joinInstallation(config: Config, log: BaseLogger): Promise<JoinedInstallation> {
  const database = joinDatabase(config, config.workers, log)
  try {
    return { ...database, keyring: await openKeyring(config, database.serving) }
  } catch (error) {
    await database.close()
    if (error instanceof InstallationError) throw error
    throw new InstallationError(`The database can not be read: ${messageOf(error)}`, { cause: error })
  }
}
