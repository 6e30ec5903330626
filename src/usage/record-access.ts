// recordAccess: what protected services and proxies saw of the use of keys. Telemetry, hence no command: no event, no lock, and
// a retry records twice.
import { issuesOf } from '#commands/input-issues.ts'
import { invalidInput, type Refusal } from '#commands/refusal.ts'
import { send, statement } from '#database/connect.ts'
import { type Caller, DenialError, mayDo } from '#domain/caller.ts'
import { kindOf, knownShardOf, shardOf } from '#domain/ids.ts'
import { DAY_MS, type Instant, later, plusMs } from '#domain/instant.ts'
import type { Presentation } from '#domain/keyspace/presentation.ts'
import { type AccessInput, recordAccessInput } from './access-input.ts'
import { insertRows, type LoggedKey, rowOf } from './access-rows.ts'
import { findSecrets, searchForSecrets } from './own-secrets.ts'
import { type Redact, redactorFor } from './redact.ts'
import type { ServingServices } from './services.ts'

export type RecordOutcome =
  | { readonly kind: 'recorded'; readonly recorded: number }
  | { readonly kind: 'refused'; readonly refusal: Refusal }

/** How late an entry may come: within the partitions that are there. */
const LATE_DAYS_MAX = 6
/** Clocks of those who record may be ahead. */
const AHEAD_MS_MAX = 300_000

/**
 * Records all of the entries or none. Bodies are kept only where the key's logging says so. Throws DenialError where the
 * caller lacks the permission.
 */
export async function recordAccess(services: ServingServices, caller: Caller, input: unknown): Promise<RecordOutcome> {
  if (!mayDo(caller, 'logs.write')) throw new DenialError('FORBIDDEN')
  const parsed = recordAccessInput.safeParse(input)
  if (!parsed.success) return refused({ code: 'INVALID_INPUT', issues: issuesOf(parsed.error) })
  const { entries } = parsed.data
  const wrongAt = entries.findIndex(({ at }) => !isTimely(at, services))
  if (wrongAt >= 0) return untimely(wrongAt)
  const keys = await findKeys(services, caller, entries)
  const missing = missingId(entries, keys)
  if (missing !== undefined) return refused({ code: 'NOT_FOUND', subjectId: missing })
  const secrets = await findSecrets(services, [...keys.keys()])
  const searched = searchForSecrets(services.keyring)
  const redactors = new Map<string, Redact>()
  const rows = entries.flatMap((entry) => {
    const key = keys.get(entry.keyId)
    if (key === undefined) return []
    const redact = redactorOf(key, redactors)
    const own = secrets.get(key.keyId)
    if (own === undefined) return [rowOf(entry, key, redact)]
    const search = searched(own)
    return [rowOf(entry, key, (text) => redact(search(text)))]
  })
  if (await insertRows(services, rows)) return { kind: 'recorded', recorded: rows.length }
  // By the database's clock an entry is just too old after all.
  const oldest = rows.reduce((least, { at }) => (at === later(at, least) ? least : at), rows[0]?.at ?? '')
  return untimely(rows.findIndex(({ at }) => at === oldest))
}

function refused(refusal: Refusal): RecordOutcome {
  return { kind: 'refused', refusal }
}

function untimely(index: number): RecordOutcome {
  const message = `must lie in the last ${LATE_DAYS_MAX} days, and not be older than entries are kept`
  return refused(invalidInput(['entries', String(index), 'at'], message))
}

function isTimely(at: Instant, { clock, accessLogDays }: ServingServices): boolean {
  const now = clock.now()
  const days = Math.min(LATE_DAYS_MAX, accessLogDays)
  return at >= plusMs(now, -days * DAY_MS) && at <= plusMs(now, AHEAD_MS_MAX)
}

type Key = LoggedKey & {
  /** Its keyspace or, of a linked one, the link: what the presentations are of. */
  readonly placeId: string
  readonly presentations: readonly Presentation[]
  /** Those of its codes that the entries name. */
  readonly codeIds: readonly string[]
}

// Tables in the order in which everyone locks them: see #state/rebuild.ts.
const KEYS = `
  SELECT k.key_id AS "keyId", k.account_id AS "accountId", k.keyspace_id AS "placeId", k.name,
         json_build_object('request', k.log_request, 'response', k.log_response) AS logging,
         s.rules -> 'presentations' AS presentations,
         ARRAY(SELECT c.code_id FROM state.code c
                WHERE c.shard = k.shard AND c.key_id = k.key_id AND c.code_id = ANY ($4::text[])) AS "codeIds"
    FROM unnest($1::smallint[], $2::text[]) AS wanted (shard, id)
    JOIN state.keyspace s ON s.shard = wanted.shard
    JOIN state.key k ON k.shard = wanted.shard AND k.key_id = wanted.id AND k.keyspace_id = s.keyspace_id
   WHERE $3::text IS NULL OR k.account_id = $3
   UNION ALL
  SELECT k.key_id, l.account_id, l.link_id, k.name, json_build_object('request', k.log_request, 'response', k.log_response),
         coalesce((SELECT jsonb_agg(DISTINCT p.presentation)
                     FROM state.keyspace g, jsonb_array_elements(g.rules -> 'presentations') AS p (presentation)
                    WHERE g.shard = l.shard AND g.account_id = l.account_id AND g.deleted_at IS NULL
                      AND g.keyspace_id = coalesce(l.keyspace_id, g.keyspace_id)), '[]'),
         ARRAY[]::text[]
    FROM unnest($1::smallint[], $2::text[]) AS wanted (shard, id)
    JOIN state.key k ON k.shard = wanted.shard AND k.key_id = wanted.id
    JOIN state.link l ON l.shard = $5 AND l.account_id = $3 AND l.key_id = k.key_id AND l.unlinked_at IS NULL`

/** By their ids: those that are the caller's, deleted ones too, and those that the caller's account has linked. */
async function findKeys(
  { database }: ServingServices,
  caller: Caller,
  entries: readonly AccessInput[],
): Promise<ReadonlyMap<string, Key>> {
  const ids = [...new Set(entries.map(({ keyId }) => keyId))].filter((id) => kindOf(id) === 'key')
  const codeIds = entries.flatMap(({ codeId }) => (codeId != null && kindOf(codeId) === 'code' ? [codeId] : []))
  const tenant = caller.kind === 'ROOT' ? null : caller.accountId
  if (ids.length === 0) return new Map()
  const parameters = [ids.map(shardOf), ids, tenant, codeIds, tenant === null ? null : knownShardOf(tenant)]
  const keys = await send(database.pool, statement<Key>(KEYS, parameters))
  return new Map(keys.map((key) => [key.keyId, key]))
}

/** A code of another key is not found either, nor is one of a linked key: it is its own account's. */
function missingId(entries: readonly AccessInput[], keys: ReadonlyMap<string, Key>): string | undefined {
  for (const { keyId, codeId } of entries) {
    const key = keys.get(keyId)
    if (key === undefined) return keyId
    if (codeId != null && !key.codeIds.includes(codeId)) return codeId
  }
  return undefined
}

function redactorOf(key: Key, known: Map<string, Redact>): Redact {
  const redact = known.get(key.placeId) ?? redactorFor(key.presentations)
  known.set(key.placeId, redact)
  return redact
}
