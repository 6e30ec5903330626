// `keyledger migrate`: brings the database to the schema of this version, as a step of its own in a deployment whose servers
// run as a user who may not.

import { openDatabase } from '#database/open.ts'
import { withConfig } from './command-line.ts'
import { EXIT_OK } from './exit.ts'
import { createLogger } from './logger.ts'

export function migrate(args: readonly string[]): Promise<number> {
  return withConfig(args, {}, async (config) => {
    const database = await openDatabase(config, { log: createLogger(config.logLevel), maintenance: true })
    await database.close()
    process.stdout.write(`Up to date: ${database.describe}\n`)
    return EXIT_OK
  })
}
