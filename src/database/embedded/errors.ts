// Why the embedded PostgreSQL could not be started, one class for each thing the operator can do about it.

/** Another process serves this data folder. Two servers on one folder would destroy it, so we never go on. */
export class FolderInUseError extends Error {
  override readonly name = 'FolderInUseError'

  constructor(dataFolder: string, holder: string) {
    super(
      `The data folder ${dataFolder} is in use by another running server (${holder}). ` +
        'Stop that one first, or set KEYLEDGER_DATA_DIR to another folder.',
    )
  }
}

/** The embedded PostgreSQL cannot run on this machine, as this user or in this folder; `remedy` says what to set. */
export class EmbeddedUnavailableError extends Error {
  override readonly name = 'EmbeddedUnavailableError'

  constructor(reason: string, remedy: string, options?: ErrorOptions) {
    super(`The embedded PostgreSQL cannot run: ${reason}. ${remedy}`, options)
  }
}

/** PostgreSQL was started and gave up by itself; the message carries the end of what it said. */
export class ServerFailedError extends Error {
  override readonly name = 'ServerFailedError'

  constructor(what: string, said: string) {
    super(`${what}. If its own words below do not help, set DATABASE_URL to use another PostgreSQL.\n${said}`)
  }
}

export const USE_ANOTHER_DATABASE = 'Set DATABASE_URL to a PostgreSQL 15 or later.'
export const USE_ANOTHER_FOLDER =
  'Set KEYLEDGER_DATA_DIR to a folder that can be used, or DATABASE_URL to a PostgreSQL.'

/** The text of anything thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** The system's error code ('ENOENT' …) of anything thrown, if it has one. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}
