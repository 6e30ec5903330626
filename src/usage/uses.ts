// When and how often codes are used: gathered in memory beside the verdicts, written every few seconds. A verdict never waits
// for it and never fails by it. Losable: a process that is killed loses what it had not written yet, and a write whose answer
// was lost is done again, so that counts may be a little high or low; the last use never goes back.
import type { BaseLogger } from 'pino'
import { type Database, send, statement } from '#database/connect.ts'
import { knownShardOf } from '#domain/ids.ts'
import { type Instant, later } from '#domain/instant.ts'

export type UsedCode = {
  readonly accountId: string
  readonly keyspaceId: string
  readonly keyId: string
  readonly codeId: string
}

export type UseRecorder = {
  /** Of a code that was found VALID at that instant. Returns at once and never throws. */
  record(code: UsedCode, at: Instant): void
}

export type UseGatherer = UseRecorder & {
  /** Writes what has been gathered, and resolves whether or not that could be done. */
  flush(): Promise<void>
  /** Writes the rest; what is recorded later is lost. */
  stop(): Promise<void>
}

export type GathererParts = {
  readonly database: Database
  readonly log: BaseLogger
  /** For tests. */
  readonly codesMax?: number
}

/** With the time that writing takes, at most 5 s are lost with a process. */
export const FLUSH_AFTER_MS = 4_000
/** Some 500 bytes each: 25 MB while the database is away for long. More codes than that are not noted until it is back. */
const CODES_MAX = 50_000
/** Rows of one statement. */
const BATCH_SIZE = 1_000

type Gathered = UsedCode & { lastUsedAt: Instant; count: number }

/** Codes of one UTC day, as `2026-03-01`. */
type OfDay = { readonly day: string; readonly codes: readonly Gathered[] }

/** Starts to gather. Holds no timer while there is nothing to write. */
export function gatherUses({ database, log, codesMax = CODES_MAX }: GathererParts): UseGatherer {
  /** By day, then by code: nearly always there is one day. */
  let gathered = new Map<string, Map<string, Gathered>>()
  let size = 0
  let timer: NodeJS.Timeout | undefined
  let writing: Promise<void> = Promise.resolve()
  let failing = false
  let stopped = false

  function codesOf(day: string): Map<string, Gathered> {
    const known = gathered.get(day)
    if (known !== undefined) return known
    const codes = new Map<string, Gathered>()
    gathered.set(day, codes)
    return codes
  }

  function add({ accountId, keyspaceId, keyId, codeId }: UsedCode, at: Instant, day: string, count: number): void {
    const codes = codesOf(day)
    const known = codes.get(codeId)
    if (known !== undefined) {
      known.lastUsedAt = later(known.lastUsedAt, at)
      known.count += count
    } else if (size < codesMax) {
      size += 1
      codes.set(codeId, { accountId, keyspaceId, keyId, codeId, lastUsedAt: at, count })
    }
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
    const taken = [...gathered].flatMap(([day, codes]) => inBatches(day, [...codes.values()]))
    gathered = new Map()
    size = 0
    let written = 0
    try {
      for (const batch of taken) {
        await send(database.pool, upsert(batch))
        written += 1
      }
      if (failing && written > 0) log.info('uses of keys are written again')
      if (written > 0) failing = false
    } catch (error) {
      if (!failing) log.warn({ err: error }, 'uses of keys could not be written, and are kept for later')
      failing = true
      for (const { day, codes } of taken.slice(written))
        for (const code of codes) add(code, code.lastUsedAt, day, code.count)
      if (size > 0) schedule()
    }
  }

  return {
    record(code, at) {
      add(code, at, at.slice(0, 10), 1)
      schedule()
    },
    flush,
    async stop() {
      stopped = true
      await flush()
    },
  }
}

/** In the same order for every instance, so that two that write at once never wait for each other in a circle. */
function inBatches(day: string, codes: readonly Gathered[]): readonly OfDay[] {
  const sorted = codes.toSorted((a, b) => (a.codeId < b.codeId ? -1 : 1))
  const batches = Math.ceil(sorted.length / BATCH_SIZE)
  return Array.from({ length: batches }, (_, index) => ({
    day,
    codes: sorted.slice(index * BATCH_SIZE, (index + 1) * BATCH_SIZE),
  }))
}

// One statement, hence whole or not at all. The last use of a row is the greatest that any instance has seen, in whatever
// order they come to write.
const UPSERT = `
  WITH used AS (
    SELECT * FROM unnest($1::smallint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::bigint[])
      AS u (shard, account_id, keyspace_id, key_id, code_id, last_used_at, uses)
  ), of_codes AS (
    INSERT INTO usage.code_use AS known (shard, code_id, account_id, key_id, last_used_at)
    SELECT shard, code_id, account_id, key_id, last_used_at FROM used ORDER BY shard, code_id
    ON CONFLICT (shard, code_id) DO UPDATE SET last_used_at = excluded.last_used_at
     WHERE known.last_used_at < excluded.last_used_at
  ), of_keys AS (
    INSERT INTO usage.key_use AS known (shard, key_id, account_id, keyspace_id, last_used_at)
    SELECT shard, key_id, account_id, keyspace_id, max(last_used_at) FROM used GROUP BY 1, 2, 3, 4 ORDER BY shard, key_id
    ON CONFLICT (shard, key_id) DO UPDATE SET last_used_at = excluded.last_used_at
     WHERE known.last_used_at < excluded.last_used_at
  )
  INSERT INTO usage.code_day AS known (shard, code_id, day, uses)
  SELECT shard, code_id, $8::date, uses FROM used ORDER BY shard, code_id
  ON CONFLICT (shard, code_id, day) DO UPDATE SET uses = known.uses + excluded.uses`

function upsert({ day, codes }: OfDay) {
  return statement<never>(UPSERT, [
    codes.map((code) => knownShardOf(code.codeId)),
    codes.map((code) => code.accountId),
    codes.map((code) => code.keyspaceId),
    codes.map((code) => code.keyId),
    codes.map((code) => code.codeId),
    codes.map((code) => code.lastUsedAt),
    codes.map((code) => code.count),
    day,
  ])
}
