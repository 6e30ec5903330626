// `keyledger rotate-secrets`: makes the seals anew under the newest of KEYLEDGER_SECRETS, beside servers that go on, and says what
// is still made under older ones.
import { resealAll } from '#commands/reseal.ts'
import { openDatabase } from '#database/open.ts'
import { complain, EXIT_OK, EXIT_PROBLEM, withConfig } from './command-line.ts'
import { openKeyring } from './keyring.ts'
import { createLogger } from './logger.ts'
import { countSecretUses, forgetUnusedSecrets } from './secret-uses.ts'

export function rotateSecrets(args: readonly string[]): Promise<number> {
  return withConfig(args, {}, async (config) => {
    const database = await openDatabase(config, { log: createLogger(config.logLevel), maintenance: true })
    try {
      const forgotten = config.keyring === null ? [] : await forgetUnusedSecrets(database.serving, config.keyring)
      for (const id of forgotten) say(`${id} is not configured, and nothing was made under it: it is forgotten.`)
      const keyring = await openKeyring(config, database.serving)
      const { newest, all } = keyring
      const { seals, brokenCodeIds } = await resealAll(database.owner, keyring)
      say(`${seals} seals were made anew under ${newest.id}, the newest secret.`)
      const uses = await countSecretUses(database.owner)
      for (const { id } of all.filter(({ id }) => id !== newest.id)) say(remainder(id, uses.get(id) ?? []))
      if (brokenCodeIds.length === 0) return EXIT_OK
      complain(
        `The seals of ${brokenCodeIds.length} codes were not made by this server and can't be opened. They were left as they ` +
          `are; rotate these codes:\n  ${brokenCodeIds.join('\n  ')}`,
      )
      return EXIT_PROBLEM
    } finally {
      await database.close()
    }
  })
}

function remainder(id: string, uses: readonly string[]): string {
  if (uses.length === 0)
    return (
      `${id}: nothing is made under it. It can be dropped: take it out of KEYLEDGER_SECRETS everywhere, then run this again ` +
      'without it before any server starts.'
    )
  return `${id}: still needed, for ${uses.join(', ')}. It can not be dropped.`
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}
