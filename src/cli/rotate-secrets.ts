// `keyledger rotate-secrets`: makes all that can be made anew so under the newest of KEYLEDGER_SECRETS, beside servers that go on,
// and says what is still made under older ones.
import { type Resealed, resealAll } from '#commands/reseal.ts'
import { openDatabase } from '#database/open.ts'
import { withConfig } from './command-line.ts'
import { complain, EXIT_OK, EXIT_PROBLEM } from './exit.ts'
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
      const resealed = await resealAll(database.owner, keyring)
      const { seals, userKeys, identities } = resealed
      say(
        `${seals.count} seals, ${userKeys.count} keys of users' data and ${identities.count} digests of external ids were ` +
          `made anew under ${newest.id}, the newest secret.`,
      )
      const uses = await countSecretUses(database.owner)
      for (const { id } of all.filter(({ id }) => id !== newest.id)) say(remainder(id, uses.get(id) ?? []))
      const problems = problemsOf(resealed)
      for (const problem of problems) complain(problem)
      return problems.length === 0 ? EXIT_OK : EXIT_PROBLEM
    } finally {
      await database.close()
    }
  })
}

function problemsOf({ seals, userKeys, identities }: Resealed): readonly string[] {
  const codeIds = seals.brokenIds
  const userIds = [...new Set([...userKeys.brokenIds, ...identities.brokenIds])]
  return [
    codeIds.length > 0 &&
      `The seals of ${codeIds.length} codes were not made by this server and can't be opened. They were left as they are; ` +
        `rotate these codes:\n  ${codeIds.join('\n  ')}`,
    userIds.length > 0 &&
      `What is kept of ${userIds.length} users was not made by this server and can't be read. It was left as it is; ` +
        `restore it from a backup, or remove these users and add them anew:\n  ${userIds.join('\n  ')}`,
  ].filter((problem) => problem !== false)
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
