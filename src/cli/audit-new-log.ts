// `keyledger audit new-log --reason <why>`: another audit log, where the former can't go on, and what of it is missing.
import { type Begun, newLog } from '#audit/seal/new-log.ts'
import { InstallationError } from '#database/open.ts'
import { withConfig } from './command-line.ts'
import { complain, EXIT_OK, EXIT_PROBLEM, EXIT_USAGE } from './exit.ts'
import { openInstallation } from './installation.ts'
import { createLogger } from './logger.ts'
import { sealingSettings } from './sealing.ts'

/** Listed one by one up to here: what is lost by thousands is looked up in an export from before. */
const LISTED_MAX = 100
const REASON_MAX = 500

const OPTIONS = { reason: { type: 'string' }, 'key-lost': { type: 'boolean' } } as const

export function auditNewLog(args: readonly string[]): Promise<number> {
  return withConfig(args, OPTIONS, async (config, { reason, 'key-lost': isKeyLost }) => {
    if (typeof reason !== 'string' || reason.trim() === '' || reason.length > REASON_MAX) {
      complain(
        `Usage: keyledger audit new-log [--key-lost] --reason <why, at most ${REASON_MAX} characters: it is part of the new log for good>`,
      )
      return EXIT_USAGE
    }
    const sealing = sealingSettings(config)
    if (sealing === null) throw new InstallationError('KEYLEDGER_AUDIT_KEY must be set: a log begins with a signature.')
    const { owner, keyring, close } = await openInstallation(config, {
      log: createLogger(config.logLevel),
      maintenance: true,
    })
    try {
      const outcome = await newLog({ database: owner, keyring, ...sealing, reason, isKeyLost: isKeyLost === true })
      if (outcome.kind === 'refused') {
        complain(`No other log was begun: ${outcome.why}.`)
        return EXIT_PROBLEM
      }
      process.stdout.write(`${linesOf(outcome).join('\n')}\n`)
      return EXIT_OK
    } finally {
      await close()
    }
  })
}

function linesOf({ origin, entries, former, anchored, lostPositions, lostLeaves, unlisted }: Begun): readonly string[] {
  return [
    `The log ${former.origin} ends at ${former.size} entries; ${origin} goes on from it, with ${entries} entries: all events that are there.`,
    ...(anchored === null
      ? []
      : [
          `Missing: what was sealed after that, up to ${anchored.size} entries of ${anchored.origin}, as a checkpoint outside the database says:`,
          ...lostPositions.map(({ shard, from, to }) => `  shard ${shard}, ${range(from, to)}`),
        ]),
    ...(lostLeaves.length === 0
      ? []
      : [
          `Missing or changed: ${lostLeaves.length} of the ${former.size} entries:`,
          ...lostLeaves
            .slice(0, LISTED_MAX)
            .map(({ index, shard, shardPosition }) => `  entry ${index}: shard ${shard}, position ${shardPosition}`),
          ...(lostLeaves.length > LISTED_MAX ? [`  and ${lostLeaves.length - LISTED_MAX} more`] : []),
        ]),
    ...(unlisted === 0
      ? []
      : [`Of ${unlisted} of the ${former.size} entries the database does not say any more what they were.`]),
    ...(anchored === null && lostLeaves.length + unlisted === 0 ? ['Nothing that was sealed is missing.'] : []),
    'Tell auditors: what they hold of the former log stays provable, and what is missing is so for good.',
  ]
}

function range(from: bigint | number, to: bigint | number): string {
  return from === to ? `position ${from}` : `positions ${from} to ${to}`
}
