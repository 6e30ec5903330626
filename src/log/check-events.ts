// Is a stored event what this installation once wrote? Its MAC says so of the body; what stands beside the body for readers in
// SQL must repeat it, or the same log would say one thing to auditors and another to a rebuild.
import type { TextRow } from '#database/copy.ts'
import { InstallationError } from '#database/open.ts'
import { parseTimestamp } from '#database/timestamps.ts'
import { sameValue } from '#domain/same-value.ts'
import type { Keyring } from '#secret/keyring.ts'
import { checkMac } from '#secret/mac.ts'
import type { EventBody } from './body.ts'

export type EventChecker = {
  /** Rows of log.event in the order of shard and position. Throws InstallationError that names the first wrong one. */
  check(rows: readonly TextRow[]): void
  /** After the last row. */
  end(): void
}

/** `heads`: how many events each shard must have. */
export function eventChecker(keyring: Keyring, heads: ReadonlyMap<number, bigint>): EventChecker {
  const seen = new Map<number, bigint>()
  return {
    check(rows) {
      for (const row of rows) {
        const problem = problemOfEvent(keyring, row)
        if (problem !== undefined)
          throw wrong(
            `the event ${row.event_id} (position ${row.position} of ${row.account_id}) is not as it was written: ${problem}`,
          )
        const shard = Number(row.shard)
        const expected = (seen.get(shard) ?? 0n) + 1n
        if (row.shard_position !== String(expected)) throw wrong(missing(shard, expected))
        seen.set(shard, expected)
      }
    },
    end() {
      for (const [shard, head] of heads) {
        const last = seen.get(shard) ?? 0n
        if (last < head) throw wrong(missing(shard, last + 1n))
      }
      for (const [shard, last] of seen)
        if (last > (heads.get(shard) ?? 0n)) throw wrong(`the counter of shard ${shard} is behind its events`)
    },
  }
}

function missing(shard: number, position: bigint): string {
  return `the event at position ${position} of shard ${shard} is missing`
}

function wrong(what: string): InstallationError {
  return new InstallationError(
    `The log was changed behind Keyledger's back: ${what}. Nothing was moved. Restore the log from a backup.`,
  )
}

/** What is wrong with a row of log.event, whose columns are as PostgreSQL's text; undefined where it is as it was written. */
export function problemOfEvent(keyring: Keyring, row: TextRow): string | undefined {
  const body = bytesOf(row.body)
  if (!checkMac(keyring, row.mac_secret_id ?? '', body, bytesOf(row.mac))) return 'its MAC is wrong'
  // The MAC was right, so it is what encodeBody made.
  const said = JSON.parse(body.toString('utf8')) as EventBody
  const differing = Object.entries(columnsOf(said)).filter(([column, text]) => row[column] !== text)
  const names = differing.map(([column]) => column)
  if (parseTimestamp(row.decided_at ?? '') !== said.decidedAt) names.push('decided_at')
  if (!sameValue(JSON.parse(row.data ?? 'null'), said.data)) names.push('data')
  return names.length === 0 ? undefined : `its body says otherwise than ${names.join(', ')}`
}

function columnsOf(body: EventBody): TextRow {
  return {
    event_id: body.eventId,
    account_id: body.accountId,
    stream_id: body.streamId,
    stream_kind: body.streamKind,
    version: String(body.version),
    type: body.type,
    schema_version: String(body.schemaVersion),
    actor_kind: body.actor.kind,
    actor_id: body.actor.id,
    credential_key_id: body.credential?.keyId ?? null,
    credential_code_id: body.credential?.codeId ?? null,
    correlation_id: body.correlationId,
  }
}

function bytesOf(hex: string | null | undefined): Buffer {
  return Buffer.from(hex?.slice(2) ?? '', 'hex')
}
