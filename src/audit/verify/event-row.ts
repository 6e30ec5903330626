// An event as the export has it: a row of log.event, its body in base64.
import { shardOf } from '#domain/ids.ts'
import { sameValue } from '#domain/same-value.ts'
import { ENTRY_BYTES_MAX, eventEntry } from '../entry.ts'
import type { Row } from './folder.ts'
import { bytesOf, parseJson } from './reading.ts'

export type EventRow = {
  readonly shard: number
  readonly shard_position: number
  readonly account_id: string
  readonly position: number
  readonly event_id: string
  readonly stream_id: string
  readonly stream_kind: string
  readonly version: number
  readonly type: string
  readonly schema_version: number
  readonly actor_kind: string
  readonly actor_id: string | null
  readonly credential_key_id: string | null
  readonly credential_code_id: string | null
  readonly correlation_id: string
  readonly decided_at: string
  readonly occurred_at: string
  readonly mac_secret_id: string
  readonly data: unknown
  readonly body: Buffer
  readonly mac: Buffer
}

/** A row as its body says it is, and what only the body says. */
export type SaidRow = EventRow & { readonly at: string; readonly personal: Readonly<Record<string, string>> }

const NUMBERS = ['shard', 'shard_position', 'position', 'version', 'schema_version'] as const
const TEXTS = [
  'account_id',
  'event_id',
  'stream_id',
  'stream_kind',
  'type',
  'actor_kind',
  'correlation_id',
  'decided_at',
  'occurred_at',
  'mac_secret_id',
  'body',
  'mac',
] as const

const TEXTS_OR_NULL = ['actor_id', 'credential_key_id', 'credential_code_id'] as const
const COLUMNS = new Set<string>([...NUMBERS, ...TEXTS, ...TEXTS_OR_NULL, 'data'])

/** Columns and the members of the body that they repeat. */
const REPEATED = [
  ['event_id', 'eventId'],
  ['account_id', 'accountId'],
  ['stream_id', 'streamId'],
  ['stream_kind', 'streamKind'],
  ['version', 'version'],
  ['type', 'type'],
  ['schema_version', 'schemaVersion'],
  ['correlation_id', 'correlationId'],
] as const

const SAID = [
  ...REPEATED.map(([column]) => column),
  'actor_kind',
  'actor_id',
  'credential_key_id',
  'credential_code_id',
  'decided_at',
  'data',
] as const

/** The frame around a body, and a margin: what no stored body leaves. */
const FRAME_BYTES_MAX = 512

/** Undefined for a row that has not exactly the columns that are looked at below. */
export function eventRowOf(row: Row): EventRow | undefined {
  if (NUMBERS.some((name) => !Number.isSafeInteger(row[name]))) return undefined
  if (TEXTS.some((name) => typeof row[name] !== 'string')) return undefined
  if (TEXTS_OR_NULL.some((name) => row[name] !== null && typeof row[name] !== 'string')) return undefined
  if (!Object.hasOwn(row, 'data') || Object.keys(row).some((name) => !COLUMNS.has(name))) return undefined
  // The members above are what they have to be; `data` is any JSON.
  const known = row as Omit<EventRow, 'body' | 'mac'> & { readonly body: string; readonly mac: string }
  return { ...known, body: bytesOf(known.body), mac: bytesOf(known.mac) }
}

/** The entry of an event as it stands; undefined where none could have been sealed. */
export function entryOf(row: EventRow): Buffer | undefined {
  const { shard, body, mac, mac_secret_id: macSecretId, occurred_at: occurredAt } = row
  if (body.length + mac.length + macSecretId.length + occurredAt.length > ENTRY_BYTES_MAX - FRAME_BYTES_MAX)
    return undefined
  return eventEntry({
    ...{ shard, body, mac, macSecretId, occurredAt },
    shardPosition: BigInt(row.shard_position),
    position: BigInt(row.position),
  })
}

/** What the body says, as a row, and the columns that don't repeat it: by those readers in SQL go. */
export function readBody(row: EventRow): { readonly said: SaidRow | undefined; readonly columns: readonly string[] } {
  const body = parseBody(row.body)
  if (body === undefined) return { said: undefined, columns: ['body'] }
  const actor = memberOf(body.actor)
  const credential = memberOf(body.credential)
  // The members that are gone by have these types, as `parseBody` saw.
  const said = {
    ...row,
    ...Object.fromEntries(REPEATED.map(([column, member]) => [column, body[member]])),
    ...{ actor_kind: actor.kind, actor_id: actor.id, data: body.data },
    ...{ credential_key_id: credential.keyId ?? null, credential_code_id: credential.codeId ?? null },
    decided_at: String(body.decidedAt).replace(/Z$/, '000Z'),
    at: body.decidedAt,
    personal: memberOf(body.personal),
  } as SaidRow
  const columns = SAID.filter((column) => !sameValue(row[column], said[column]))
  // An account's shard stands in its id.
  const isElsewhere = row.shard !== shardOf(row.account_id) && !columns.includes('account_id')
  return { said, columns: isElsewhere ? [...columns, 'shard'] : columns }
}

function memberOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}

function parseBody(bytes: Buffer): Record<string, unknown> | undefined {
  try {
    const body = parseJson(bytes.toString('utf8'))
    if (typeof body !== 'object' || body === null) return undefined
    const members = body as Record<string, unknown>
    return isBody(members) ? members : undefined
  } catch {
    return undefined
  }
}

/** Only what encodeBody makes: whoever has the signing key can seal anything. */
function isBody(body: Readonly<Record<string, unknown>>): boolean {
  return (
    REPEATED.every(([column, member]) =>
      column === 'version' || column === 'schema_version'
        ? Number.isSafeInteger(body[member])
        : typeof body[member] === 'string',
    ) &&
    typeof body.decidedAt === 'string' &&
    Object.values(memberOf(body.personal)).every((digest) => typeof digest === 'string')
  )
}
