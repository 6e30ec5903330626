// Entries of the access log as they are stored, whoever tells of them: services by recordAccess, or forward-auth by itself.
import { send, statement } from '#database/connect.ts'
import { codeOf } from '#database/embedded/errors.ts'
import type { AccessLogTable } from '#database/tables.ts'
import { knownShardOf } from '#domain/ids.ts'
import type { AccessLogging } from '#domain/key/events.ts'
import { newEntryId } from '#secret/ids.ts'
import { type AccessInput, BODY_BYTES_MAX, keptText, PATH_BYTES_MAX, USER_AGENT_BYTES_MAX } from './access-input.ts'
import { type AccessLogParts, keepAccessLog } from './keep.ts'
import type { Redact } from './redact.ts'

/** What of a key stands in its entries, and which bodies may. */
export type LoggedKey = {
  readonly keyId: string
  /** Whose services saw it: through a link not the key's own. */
  readonly accountId: string
  readonly name: string
  readonly logging: AccessLogging
}

export function rowOf(entry: AccessInput, key: LoggedKey, redact: Redact): AccessLogTable {
  const shard = knownShardOf(key.accountId)
  return {
    shard,
    account_id: key.accountId,
    at: entry.at,
    entry_id: newEntryId(shard),
    key_id: key.keyId,
    key_name: key.name,
    code_id: entry.codeId ?? null,
    verdict: entry.verdict,
    method: entry.method ?? null,
    path: keptText(entry.path, PATH_BYTES_MAX, redact),
    status: entry.status ?? null,
    duration_ms: entry.durationMs ?? null,
    client_ip: entry.clientIp ?? null,
    user_agent: keptText(entry.userAgent, USER_AGENT_BYTES_MAX, redact),
    request_body: key.logging.request ? keptText(entry.requestBody, BODY_BYTES_MAX, redact) : null,
    response_body: key.logging.response ? keptText(entry.responseBody, BODY_BYTES_MAX, redact) : null,
  }
}

// Of keys whose user was erased, nothing is written that eraseUser empties (`usage.forget_accesses`): what was gathered before it, here or
// elsewhere, comes after it. A write whose answer was lost may be done again: an entry that is there already is the same one.
const INSERT = `
  INSERT INTO usage.access_log (shard, account_id, at, entry_id, key_id, key_name, code_id, verdict, method, status, duration_ms,
                                path, client_ip, user_agent, request_body, response_body)
  SELECT e.shard, e.account_id, e.at, e.entry_id, e.key_id, e.key_name, e.code_id, e.verdict, e.method, e.status, e.duration_ms,
         kept.*
    FROM json_populate_recordset(null::usage.access_log, $1) AS e
    LEFT JOIN LATERAL (
      SELECT e.path, e.client_ip, e.user_agent, e.request_body, e.response_body
       WHERE NOT EXISTS (
         SELECT FROM state.key k
           JOIN state.user u ON u.shard = k.shard AND u.user_id IN (k.owner_id, k.acts_as_id)
          WHERE k.shard = e.shard AND k.key_id = e.key_id AND k.account_id = e.account_id AND u.erased_at IS NOT NULL)
    ) AS kept ON true
  ON CONFLICT DO NOTHING`

const NO_PARTITION = '23514'

/** All or none. False where one is of a day for which there is no place any more. */
export async function insertRows(parts: AccessLogParts, rows: readonly AccessLogTable[]): Promise<boolean> {
  const write = () => send(parts.database.pool, statement<never>(INSERT, [JSON.stringify(rows)]))
  try {
    await write().catch(async (error: unknown) => {
      if (codeOf(error) !== NO_PARTITION) throw error
      // A new installation, or one whose housekeeping has failed for a week.
      await keepAccessLog(parts.database, parts.clock, parts.accessLogDays)
      await write()
    })
  } catch (error) {
    if (codeOf(error) !== NO_PARTITION) throw error
    return false
  }
  return true
}
