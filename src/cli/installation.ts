// What every command works on: the database of this configuration, and the secrets that its data was made under.
import type { BaseLogger } from 'pino'
import type { Config } from '#config.ts'
import { type OpenDatabase, openDatabase } from '#database/open.ts'
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
