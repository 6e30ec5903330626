// `keyledger audit export --out <folder>`: what an auditor is given, taken from one moment, beside a server that goes on.
import path from 'node:path'
import { type Exported, exportAudit } from '#audit/export/export.ts'
import { openDatabase } from '#database/open.ts'
import { inSnapshot } from '#database/transaction.ts'
import { stateTables } from '#state/project.ts'
import { withConfig } from './command-line.ts'
import { complain, EXIT_OK, EXIT_USAGE } from './exit.ts'
import { createLogger } from './logger.ts'

export function auditExport(args: readonly string[]): Promise<number> {
  return withConfig(args, { out: { type: 'string' } }, async (config, { out }) => {
    if (typeof out !== 'string' || out === '') {
      complain('`keyledger audit export` needs --out and a folder, which is made.')
      return EXIT_USAGE
    }
    const database = await openDatabase(config, { log: createLogger(config.logLevel), maintenance: true })
    try {
      const folder = path.resolve(out)
      const tables = stateTables.map(({ name }) => `state."${name}"`)
      const exported = await inSnapshot(database.owner, tables, ({ run }) => exportAudit(run, folder))
      process.stdout.write(`${summaryOf(exported)}\n${folder}\n`)
      return EXIT_OK
    } finally {
      await database.close()
    }
  })
}

function summaryOf({ sealed, pending, log }: Exported): string {
  const events = `${sealed + pending} events were exported, ${sealed} sealed and ${pending} not yet`
  return log === null
    ? `${events}; there is no audit log yet, which begins when a server with KEYLEDGER_AUDIT_KEY runs`
    : `${events}; audit log ${log.number} has size ${log.size} and root ${log.root}`
}
