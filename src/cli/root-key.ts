// `keyledger root-key --new`: for a root key that was lost or seen. It needs no root key, but what is stronger: the secrets.
import { InstallationError } from '#database/open.ts'
import { newRootKey } from '#secret/ids.ts'
import { withConfig } from './command-line.ts'
import { complain, EXIT_OK, EXIT_USAGE } from './exit.ts'
import { openInstallation } from './installation.ts'
import { createLogger } from './logger.ts'
import { replaceRootKey } from './stored-root-key.ts'

export function rootKey(args: readonly string[]): Promise<number> {
  return withConfig(args, { new: { type: 'boolean' } }, async (config, options) => {
    if (options.new !== true) {
      complain('Only a digest of the root key is kept, so it can not be shown. `keyledger root-key --new` replaces it.')
      return EXIT_USAGE
    }
    if (config.rootKey !== null)
      throw new InstallationError(
        'KEYLEDGER_ROOT_KEY is set, and is put in force at every start. Change it there, or unset it and run this again.',
      )
    const installation = await openInstallation(config, { log: createLogger(config.logLevel), maintenance: true })
    try {
      const made = newRootKey()
      await replaceRootKey({ database: installation.serving, keyring: installation.keyring }, made)
      process.stdout.write(`${made.reveal()}\n`)
      complain('The root key was replaced: this one is in force at once, and is not shown again.')
      return EXIT_OK
    } finally {
      await installation.close()
    }
  })
}
