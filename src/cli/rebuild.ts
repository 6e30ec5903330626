// `keyledger rebuild [--check]`: state folded anew from the log, or compared with it. Either beside a server that goes on.
import type { Config } from '#config.ts'
import { codeOf } from '#database/embedded/errors.ts'
import { InstallationError, type OpenDatabase, openDatabase } from '#database/open.ts'
import { checkState } from '#state/check.ts'
import { rebuildState } from '#state/rebuild.ts'
import { withConfig } from './command-line.ts'
import { complain, EXIT_OK, EXIT_PROBLEM } from './exit.ts'
import { createLogger } from './logger.ts'

const FORBIDDEN = '42501'
const NO_TURN = '55P03'

export function rebuild(args: readonly string[]): Promise<number> {
  return withConfig(args, { check: { type: 'boolean' } }, async (config, { check }) => {
    const database = await openForMaintenance(config)
    try {
      return check === true ? await compare(database) : await replace(database)
    } finally {
      await database.close()
    }
  })
}

function openForMaintenance(config: Config): Promise<OpenDatabase> {
  return openDatabase(config, { log: createLogger(config.logLevel), maintenance: true })
}

async function replace({ owner }: OpenDatabase): Promise<number> {
  const startedAt = performance.now()
  const { streams, events, generation } = await rebuildState(owner).catch(explainRebuild)
  const perSecond = Math.round((events * 1000) / (performance.now() - startedAt))
  process.stdout.write(
    `state was rebuilt from the log: ${streams} streams, ${events} events, ${perSecond} events per second; ` +
      `generation ${generation}\n`,
  )
  return EXIT_OK
}

function explainRebuild(error: unknown): never {
  if (codeOf(error) === FORBIDDEN)
    throw new InstallationError(
      'A rebuild makes tables, which the user of DATABASE_URL may not. Run it with the DATABASE_URL of the user who owns ' +
        'the database.',
      { cause: error },
    )
  if (codeOf(error) === NO_TURN)
    throw new InstallationError(
      'The new state could not be put in the place of the old one: other transactions held it all the time. The old one is ' +
        'as it was. Run this again when there is less to do.',
      { cause: error },
    )
  throw error
}

async function compare({ owner }: OpenDatabase): Promise<number> {
  const { streams, events, difference } = await checkState(owner)
  if (difference === null) {
    process.stdout.write(`state equals the log: ${streams} streams, ${events} events\n`)
    return EXIT_OK
  }
  complain(`${difference}\n\`keyledger rebuild\` makes state anew from the log.`)
  return EXIT_PROBLEM
}
