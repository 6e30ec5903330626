// What an instance seals the audit log by: keys, configured or made and kept beside an embedded database, and anchors.
import path from 'node:path'
import type { BaseLogger } from 'pino'
import { fileAnchor } from '#audit/anchor/file-anchor.ts'
import { webhookAnchor } from '#audit/anchor/webhook-anchor.ts'
import { newSigningKeyText, parseSigningKeys, type SigningKeys } from '#audit/note/signing-key.ts'
import type { SealingParts } from '#audit/seal/sealing.ts'
import type { Config } from '#config.ts'
import { InstallationError } from '#database/open.ts'
import { keep, readKept } from './kept-file.ts'

export type SealingSettings = Pick<SealingParts, 'keys' | 'host' | 'anchors'>

/** Null where this instance has no key. Says what an operator should know of it. Throws InstallationError where the kept one is damaged. */
export function sealingOf(config: Config, log: BaseLogger): SealingSettings | null {
  const settings = sealingSettings(config)
  if (settings === null)
    log.warn(
      'this instance does not seal history, as KEYLEDGER_AUDIT_KEY is not set: unless another does, none can be proven',
    )
  else if (settings.anchors.length === 0)
    log.warn(
      'checkpoints of the audit log are kept nowhere but in the database: whoever owns it could cut history off unnoticed. Set ' +
        'KEYLEDGER_AUDIT_FILE or KEYLEDGER_AUDIT_WEBHOOK',
    )
  return settings
}

export function sealingSettings({ audit, database }: Config): SealingSettings | null {
  const keys = audit.keys ?? (database.kind === 'embedded' ? keptKeys(database.dataFolder) : null)
  if (keys === null) return null
  const anchors = [
    ...(audit.file === null ? [] : [fileAnchor(audit.file)]),
    ...(audit.webhook === null ? [] : [webhookAnchor(audit.webhook)]),
  ]
  return { keys, host: audit.host, anchors }
}

function keptKeys(dataFolder: string): SigningKeys {
  const file = path.join(path.resolve(dataFolder), 'audit-key')
  if (readKept(file) === undefined) keep(file, newSigningKeyText())
  const read = parseSigningKeys(readKept(file) ?? '')
  if (!read.ok)
    throw new InstallationError(`${file} is damaged: ${read.problems.join('; ')}. Restore it from a backup.`)
  return read.keys
}
