// What forward-auth sees of uses, on its way into the access log: gathered in memory, written every few seconds. No answer to a
// proxy waits for it or fails by it. Losable: a process that is killed loses what it had not written yet.
import type { BaseLogger } from 'pino'
import { codeOf } from '#database/embedded/errors.ts'
import type { AccessLogTable } from '#database/tables.ts'
import type { Presentation } from '#domain/keyspace/presentation.ts'
import type { AccessInput } from './access-input.ts'
import { insertRows, type LoggedKey, rowOf } from './access-rows.ts'
import type { AccessLogParts } from './keep.ts'
import { redactorFor, withoutSecret } from './redact.ts'
import { FLUSH_AFTER_MS } from './uses.ts'

export type SeenAccess = {
  readonly key: LoggedKey
  /** Where keys of its keyspace are looked for. */
  readonly presentations: readonly Presentation[]
  /** The secret. It is known only until the entry has been made. */
  readonly presented: string
  readonly entry: AccessInput
}

export type AccessRecorder = {
  /** Returns at once and never throws. */
  record(access: SeenAccess): void
}

export type AccessGatherer = AccessRecorder & {
  /** Writes what has been gathered, and resolves whether or not that could be done. */
  flush(): Promise<void>
  /** Writes the rest; what is recorded later is lost. */
  stop(): Promise<void>
}

export type AccessGathererParts = AccessLogParts & {
  readonly log: BaseLogger
  /** For tests. */
  readonly lengthMax?: number
}

/** Characters, 32 MB at most: some 250 entries with the longest bodies, or 60 000 without. The rest is not kept. */
const LENGTH_MAX = 16_777_216
/** What an entry takes beside its texts. */
const ENTRY_LENGTH = 280
/** Of one statement: 6.5 MB with the longest bodies. */
const BATCH_SIZE = 100

/** Starts to gather. Holds no timer while there is nothing to write. */
export function gatherAccesses({ log, lengthMax = LENGTH_MAX, ...parts }: AccessGathererParts): AccessGatherer {
  let gathered: AccessLogTable[] = []
  let length = 0
  let lost = 0
  let timer: NodeJS.Timeout | undefined
  let writing: Promise<void> = Promise.resolve()
  let failing = false
  let stopped = false

  function add(row: AccessLogTable): void {
    const more = lengthOf(row)
    if (length + more > lengthMax) {
      lost += 1
      return
    }
    length += more
    gathered.push(row)
  }

  function schedule(): void {
    if (!stopped) timer ??= setTimeout(() => void flush(), FLUSH_AFTER_MS).unref()
  }

  function flush(): Promise<void> {
    writing = writing.then(write)
    return writing
  }

  async function write(): Promise<void> {
    clearTimeout(timer)
    timer = undefined
    const taken = gathered
    gathered = []
    length = 0
    let written = 0
    try {
      for (; written < taken.length; written += BATCH_SIZE) await writeBatch(taken.slice(written, written + BATCH_SIZE))
      if (failing && written > 0) log.info('the access log is written again')
      if (written > 0) failing = false
    } catch (error) {
      if (!failing) log.warn({ err: error }, 'the access log could not be written, and is kept for later')
      failing = true
      const newer = gathered
      gathered = []
      length = 0
      for (const row of [...taken.slice(written), ...newer]) add(row)
      if (gathered.length > 0) schedule()
    }
    if (lost > 0) log.warn({ entries: lost }, 'entries of the access log are lost: there were more than can be kept')
    lost = 0
  }

  async function writeBatch(rows: readonly AccessLogTable[]): Promise<void> {
    try {
      if (!(await insertRows(parts, rows))) lost += rows.length
    } catch (error) {
      if (!isOfItsData(error)) throw error
      // Kept, they would be refused again for ever, and all that comes after them.
      log.error({ err: error, entries: rows.length }, 'entries of the access log can not be stored')
    }
  }

  return {
    record({ key, presentations, presented, entry }) {
      try {
        const redact = redactorFor(presentations)
        add(rowOf(entry, key, (text) => redact(withoutSecret(text, presented))))
        schedule()
      } catch (error) {
        log.error({ err: error }, 'an entry of the access log could not be made')
      }
    },
    flush,
    async stop() {
      stopped = true
      await flush()
    },
  }
}

function lengthOf({ path, user_agent, request_body, response_body }: AccessLogTable): number {
  const texts = [path, user_agent, request_body, response_body]
  return texts.reduce((total, text) => total + (text?.length ?? 0), ENTRY_LENGTH)
}

/** SQLSTATE classes 22 and 23: what is wrong is in the rows, and will be the next time too. */
function isOfItsData(error: unknown): boolean {
  return /^2[23]/.test(codeOf(error) ?? '')
}
