// Everything that the owner of a database might do to history, each at a place of its own every time, and what must be found then.
import type pg from 'pg'
import type { FindingKind } from '#audit/verify/findings.ts'

export type Random = { below(count: number): number; of<T>(values: readonly T[]): T }

/** mulberry32: what failed is tried again by its seed. */
export function randomOf(seed: number): Random {
  let state = seed
  const next = () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
  const below = (count: number) => Math.floor(next() * count)
  return { below, of: (values) => values[below(values.length)] as never }
}

/** Found where some finding is of one of these kinds and names the place. `only`: and nothing else is said to have changed. */
export type Expected = {
  readonly kinds: readonly FindingKind[]
  readonly named: (what: string) => boolean
  readonly only?: readonly string[]
}

export type Tampering = {
  readonly name: string
  readonly statements: readonly string[]
  readonly expected: Expected
  /** Found only by who holds an earlier checkpoint. */
  readonly needsKnown?: boolean
}

export type EventPlace = {
  readonly shard: number
  readonly shard_position: number
  readonly event_id: string
  readonly actor_id: string | null
  readonly leaf_index: number
}

export type Sealed = {
  readonly client: pg.ClientBase
  readonly random: Random
  readonly events: readonly EventPlace[]
  readonly size: number
}

/** Of log.event, by how they are changed. */
const TEXTS = [
  'account_id',
  'event_id',
  'stream_id',
  'stream_kind',
  'type',
  'actor_kind',
  'correlation_id',
  'mac_secret_id',
]
const NUMBERS = ['shard', 'shard_position', 'position', 'version', 'schema_version']
const INSTANTS = ['decided_at', 'occurred_at']
const BYTES = ['body', 'mac']
const NULLABLES = ['actor_id', 'credential_key_id', 'credential_code_id']

const EVENT_KINDS: readonly FindingKind[] = ['event-changed', 'event-missing', 'event-inserted', 'event-order']

function at({ shard, shard_position }: EventPlace): string {
  return `shard = ${shard} AND shard_position = ${shard_position}`
}

function expectEvents(...places: readonly EventPlace[]): Expected {
  const names = places.flatMap((place) => [place.event_id, `shard ${place.shard}, position ${place.shard_position}`])
  // The last event of a shard, where its entry can't be read any more: nothing else tells which one was sealed there.
  const leaves = places.map(({ leaf_index: leaf }) => `audit/1 leaf ${leaf}`)
  return {
    kinds: EVENT_KINDS,
    named: (what) => leaves.includes(what) || names.some((name) => what === name || what.startsWith(name)),
    only: names,
  }
}

/** Any byte of any column of a sealed event. */
export async function changeColumn({ client, random, events }: Sealed): Promise<Tampering> {
  const place = random.of(events)
  const column = random.of([...TEXTS, ...NUMBERS, ...INSTANTS, ...BYTES, ...NULLABLES, 'data'])
  const set = (value: string): Tampering => ({
    name: `${column} of ${place.event_id}`,
    statements: [`UPDATE log.event SET ${column} = ${value} WHERE ${at(place)}`],
    expected: expectEvents(place),
  })
  if (INSTANTS.includes(column)) return set(`${column} + interval '1 microsecond'`)
  if (NUMBERS.includes(column))
    return set(`${column} + ${column === 'schema_version' ? 1 : 1_000 + random.below(1_000)}`)
  if (NULLABLES.includes(column)) return set(`coalesce(${column}, '') || 'x'`)
  if (column === 'data') return set(`data || '{"name": "somebody else"}'`)
  const { rows } = await client.query(`SELECT octet_length(${column}) AS length FROM log.event WHERE ${at(place)}`)
  const from = random.below(rows[0].length)
  if (BYTES.includes(column))
    return set(`set_byte(${column}, ${from}, get_byte(${column}, ${from}) # ${1 << random.below(8)})`)
  return set(
    `overlay(${column} placing translate(substr(${column}, ${from + 1}, 1), 'axyz', 'bbbb') || 'Q' from ${from + 1} for 1)`,
  )
}

export async function deleteEvent({ random, events }: Sealed): Promise<Tampering> {
  const place = random.of(events)
  return {
    name: `${place.event_id} deleted`,
    statements: [`DELETE FROM log.event WHERE ${at(place)}`],
    expected: expectEvents(place),
  }
}

/** A copy of an event under a new id, where nothing stands, or in the place of one. */
export async function insertEvent({ random, events }: Sealed): Promise<Tampering> {
  const place = random.of(events)
  const shardPosition = random.of(['0', '-5', 'shard_position + 100000'])
  const forged = `${place.event_id.slice(0, -3)}QQQ`
  return {
    name: `a copy of ${place.event_id} at ${shardPosition}`,
    statements: [
      `CREATE TEMP TABLE forged ON COMMIT DROP AS SELECT * FROM log.event WHERE ${at(place)}`,
      `UPDATE forged SET shard_position = ${shardPosition}, position = position + 100000, version = version + 100000,
              event_id = '${forged}'`,
      'INSERT INTO log.event TABLE forged',
    ],
    expected: {
      kinds: ['event-inserted', 'event-order', 'event-changed', 'event-missing', 'pending'],
      named: (what) => what === forged || what === place.event_id,
      only: [forged, place.event_id],
    },
  }
}

/** Two events of a shard change places. */
export async function reorderEvents({ random, events }: Sealed): Promise<Tampering> {
  const one = random.of(events)
  const others = events.filter(({ shard, event_id }) => shard === one.shard && event_id !== one.event_id)
  const other = random.of(others)
  return {
    name: `${one.event_id} and ${other.event_id} change places`,
    statements: [
      `UPDATE log.event SET shard_position = -1 WHERE ${at(one)}`,
      `UPDATE log.event SET shard_position = ${one.shard_position} WHERE ${at(other)}`,
      `UPDATE log.event SET shard_position = ${other.shard_position} WHERE shard = ${one.shard} AND shard_position = -1`,
    ],
    expected: expectEvents(one, other),
  }
}

export async function flipTileByte({ client, random }: Sealed): Promise<Tampering> {
  const { rows } = await client.query(
    'SELECT level, tile_index::int, octet_length(hashes) AS length FROM audit.tile WHERE log_number = 1',
  )
  const { level, tile_index: index, length } = random.of(rows)
  const byte = random.below(length)
  return {
    name: `byte ${byte} of tile ${level}/${index}`,
    statements: [
      `UPDATE audit.tile SET hashes = set_byte(hashes, ${byte}, get_byte(hashes, ${byte}) # 1)
        WHERE log_number = 1 AND level = ${level} AND tile_index = ${index}`,
    ],
    expected: { kinds: ['tile', 'entry'], named: (what) => what.includes(`tile/${level}/`) || what.includes('leaf') },
  }
}

export async function changeCheckpoint({ client, random, size }: Sealed): Promise<Tampering> {
  const { rows } = await client.query('SELECT size::int, octet_length(note) AS length FROM audit.checkpoint')
  const chosen = random.of(rows)
  const from = 1 + random.below(chosen.length)
  const change = random.of([
    `UPDATE audit.checkpoint SET root = set_byte(root, 3, get_byte(root, 3) # 1) WHERE size = ${chosen.size}`,
    `UPDATE audit.checkpoint SET note = overlay(note placing CASE substr(note, ${from}, 1) WHEN 'Q' THEN 'R' ELSE 'Q' END from ${from} for 1)
      WHERE size = ${chosen.size}`,
    `UPDATE audit.checkpoint SET size = size + 100000 WHERE size = ${chosen.size}`,
    `DELETE FROM audit.checkpoint WHERE size = ${size}`,
  ])
  return {
    name: change,
    statements: [change],
    expected: {
      kinds: ['checkpoint', 'signature', 'root'],
      named: (what) => what.includes('checkpoint'),
    },
  }
}

export async function changeLogRow({ random }: Sealed): Promise<Tampering> {
  const change = random.of([
    `root = set_byte(root, 5, get_byte(root, 5) # 1)`,
    'size = size + 1',
    'size = size - 1',
    `origin = 'elsewhere.example.org/audit/1'`,
  ])
  return {
    name: `audit.log: ${change}`,
    statements: [`UPDATE audit.log SET ${change}`],
    expected: {
      kinds: ['checkpoint', 'signature', 'root', 'entry', 'tile', 'no-key'],
      named: (what) => /checkpoint|audit\/1|elsewhere/.test(what),
    },
  }
}

/** Which event is which leaf. */
export async function changeLeaves({ random, events }: Sealed): Promise<Tampering> {
  const place = random.of(events)
  const leaf = `leaf_index = ${place.leaf_index}`
  const change = random.of([
    `DELETE FROM audit.leaf WHERE ${leaf}`,
    `UPDATE audit.leaf SET shard_position = shard_position + 100000 WHERE ${leaf}`,
    `UPDATE audit.leaf SET leaf_index = leaf_index + 100000 WHERE ${leaf}`,
  ])
  return {
    name: change,
    statements: [change],
    expected: {
      kinds: ['entry', 'root', 'event-missing', 'event-inserted', 'tile'],
      named: (what) => what.includes(`leaf ${place.leaf_index}`) || what === place.event_id,
    },
  }
}

const STATE_CHANGES = [
  ['key', 'key_id', `name = name || 'x'`],
  ['key', 'key_id', 'enabled = NOT enabled'],
  ['key', 'key_id', `expires_at = '2099-01-01T00:00:00Z'`],
  ['key', 'key_id', `permissions = permissions || '{*}'`],
  ['key', 'key_id', 'revoked_at = NULL'],
  ['code', 'code_id', 'digest = set_byte(digest, 0, get_byte(digest, 0) # 1)'],
  ['code', 'code_id', 'enabled = NOT enabled'],
  ['policy', 'policy_id', `permissions = permissions || '{*}'`],
  ['user', 'user_id', `role = 'ADMINISTRATOR', version = version + 1`],
  ['keyspace', 'keyspace_id', `rules = rules || '{"activeKeysMax": 1}'`],
  ['account', 'account_id', `name = name || 'x'`],
] as const

export async function changeState({ client, random }: Sealed): Promise<Tampering> {
  const [table, id, change] = random.of(STATE_CHANGES)
  const { rows } = await client.query(
    change === 'revoked_at = NULL'
      ? 'SELECT key_id AS id FROM state.key WHERE revoked_at IS NOT NULL'
      : `SELECT ${id} AS id FROM state."${table}"`,
  )
  const row = random.of(rows).id
  const statement = random.of([
    `UPDATE state."${table}" SET ${change} WHERE ${id} = '${row}'`,
    `UPDATE state."${table}" SET ${change} WHERE ${id} = '${row}'`,
    `DELETE FROM state."${table}" WHERE ${id} = '${row}'`,
  ])
  return {
    name: statement,
    statements: [statement],
    expected: { kinds: ['state'], named: (what) => what === `state.${table} ${row}` },
  }
}

export async function changeCounter({ random, events }: Sealed): Promise<Tampering> {
  const place = random.of(events)
  const [change, named] = random.of([
    [`UPDATE log.feed_shard SET head = head + 1 WHERE shard = ${place.shard}`, `shard ${place.shard}`],
    [`UPDATE log.feed_shard SET last_event_id = 'x' WHERE shard = ${place.shard}`, `shard ${place.shard}`],
    [`UPDATE log.account SET position = position + 1 WHERE shard = ${place.shard}`, 'acct_'],
    [`DELETE FROM log.account WHERE shard = ${place.shard}`, 'acct_'],
    [`UPDATE log.stream SET version = version + 1 WHERE shard = ${place.shard}`, '_'],
  ] as const)
  return {
    name: change,
    statements: [change],
    expected: { kinds: ['counter', 'event-missing'], named: (what) => what.includes(named) },
  }
}

export async function changePersonal({ client, random }: Sealed): Promise<Tampering> {
  const { rows } = await client.query('SELECT user_id, name FROM vault.personal')
  const { user_id: userId, name } = random.of(rows)
  const where = `user_id = '${userId}' AND name = '${name}'`
  const change = random.of([
    `UPDATE vault.personal SET ciphertext = set_byte(ciphertext, 0, get_byte(ciphertext, 0) # 1) WHERE ${where}`,
    `DELETE FROM vault.personal WHERE ${where}`,
    `DELETE FROM vault.user_key WHERE user_id = '${userId}'`,
  ])
  return {
    name: change,
    statements: [change],
    expected: { kinds: ['personal'], named: (what) => what.includes(userId) },
  }
}
