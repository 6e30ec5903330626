// An installation in memory, row by row as the database has it, so that a test can change any of it as the database's owner could,
// and export it. What is written here is written by the product's own code wherever it is pure: bodies, entries, trees, notes, rows.
import { createHash, createHmac } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { type Continued, eventEntry, logEntry } from '#audit/entry.ts'
import { checkpointText } from '#audit/note/checkpoint.ts'
import { signNote } from '#audit/note/signed-note.ts'
import { appendLeaves, type Edge, EMPTY_EDGE, rootOf } from '#audit/tree/edge.ts'
import { HASH_BYTES, leafHash } from '#audit/tree/hash.ts'
import { TILE_WIDTH, tilePath, tilesOf } from '#audit/tree/tiles.ts'
import { shardOf } from '#domain/ids.ts'
import { evolveStream, newStream, type Stream, type StreamKind } from '#domain/streams.ts'
import { type EventBody, encodeBody } from '#log/body.ts'
import { upcast } from '#log/upcast.ts'
import { allRows } from '#state/project.ts'
import { signersOf } from './keys.ts'

export type JsonRow = Record<string, unknown>
export type DbEvent = JsonRow & { shard: number; shard_position: number; event_id: string; body: Buffer; mac: Buffer }
type LeafRow = { leaf_index: number; shard: number | null; shard_position: number | null; entry: Buffer | null }
type CheckpointRow = { size: number; root: Buffer; note: string; sealed_at: string }
export type DbLog = {
  number: number
  origin: string
  size: number
  root: Buffer
  closedAt: string | null
  keys: readonly number[]
  edge: Edge
  leaves: LeafRow[]
  tiles: Map<string, Buffer>
  checkpoints: CheckpointRow[]
  cursor: Map<number, number>
}

export type Told = {
  readonly accountId: string
  readonly streamId: string
  readonly streamKind: StreamKind
  readonly type: EventBody['type']
  readonly data?: unknown
  /** Name to ciphertext. */
  readonly personal?: Readonly<Record<string, string>>
}

export type World = {
  readonly events: DbEvent[]
  readonly heads: Map<number, { head: number; lastEventId: string }>
  readonly streams: JsonRow[]
  readonly accounts: JsonRow[]
  readonly state: { readonly table: string; readonly row: JsonRow }[]
  readonly personal: JsonRow[]
  readonly logs: DbLog[]
}

const GOLDEN = path.join(import.meta.dirname, '../../../schema/events')
export const HOST = 'keys.example.com/audit'
const START_MS = Date.parse('2026-03-01T09:30:00.000Z')

export function newWorld(): World {
  return { events: [], heads: new Map(), streams: [], accounts: [], state: [], personal: [], logs: [] }
}

/** The data of the golden sample of that type. */
export function goldenData(type: string): unknown {
  return (JSON.parse(readFileSync(path.join(GOLDEN, `${type}.v1.json`), 'utf8')) as { data: unknown }).data
}

/** Appends one event as log.append does, with state and vault as the command would have written them. */
export function append(world: World, told: Told): DbEvent {
  const shard = shardOf(told.accountId)!
  const head = world.heads.get(shard) ?? { head: 0, lastEventId: '' }
  const stream = world.streams.find((row) => row.stream_id === told.streamId)
  const account = world.accounts.find((row) => row.account_id === told.accountId)
  const version = Number(stream?.version ?? 0) + 1
  const number = world.events.length + 1
  const decidedAt = new Date(START_MS + number * 1000).toISOString()
  const personal = Object.entries(told.personal ?? {}).map(([name, text]) => [name, sha256(text)] as const)
  const body: EventBody = {
    eventId: `evt_${told.accountId.slice(5, 7)}${String(number).padStart(20, '0')}`,
    accountId: told.accountId,
    streamId: told.streamId,
    streamKind: told.streamKind,
    version,
    type: told.type,
    schemaVersion: 1,
    actor: { kind: 'ROOT', id: null },
    credential: null,
    correlationId: 'test',
    decidedAt,
    data: (told.data ?? goldenData(told.type)) as EventBody['data'],
    salt: `salt-${number}`,
    personal: Object.fromEntries(personal),
  }
  const bytes = encodeBody(body)
  const event: DbEvent = {
    shard,
    shard_position: head.head + 1,
    account_id: body.accountId,
    position: Number(account?.position ?? 0) + 1,
    event_id: body.eventId,
    stream_id: body.streamId,
    stream_kind: body.streamKind,
    version,
    type: body.type,
    schema_version: 1,
    actor_kind: 'ROOT',
    actor_id: null,
    credential_key_id: null,
    credential_code_id: null,
    correlation_id: body.correlationId,
    decided_at: decidedAt.replace('Z', '000Z'),
    occurred_at: decidedAt.replace('Z', '000Z'),
    data: structuredClone(body.data),
    body: bytes,
    mac: createHmac('sha256', 'test').update(bytes).digest(),
    mac_secret_id: 'k1',
  }
  world.events.push(event)
  world.heads.set(shard, { head: event.shard_position, lastEventId: event.event_id })
  if (account === undefined) world.accounts.push({ shard, account_id: body.accountId, position: 1 })
  else account.position = event.position
  if (stream === undefined)
    world.streams.push({ shard, stream_id: body.streamId, account_id: body.accountId, kind: body.streamKind, version })
  else stream.version = version
  writeVault(world, shard, told, version)
  writeState(world, told.streamId)
  return event
}

function writeVault(world: World, shard: number, { streamId, type, personal = {} }: Told, version: number): void {
  if (type === 'user.added') world.personal.push({ shard, user_id: streamId, key: true })
  for (const [name, text] of Object.entries(personal))
    world.personal.push({ shard, user_id: streamId, name, version, sha256: sha256(text) })
  if (type === 'user.erased') remove(world.personal, (row) => row.user_id === streamId)
}

function writeState(world: World, streamId: string): void {
  const events = world.events.filter((event) => event.stream_id === streamId)
  const [first] = events
  let stream: Stream = newStream(first!.stream_kind as StreamKind, streamId, String(first!.account_id))
  for (const event of events) {
    const fact = upcast(String(event.type), 1, event.data)
    const at = String(event.decided_at).replace('000Z', 'Z')
    stream = evolveStream(stream, { ...fact, at, actor: { kind: 'ROOT', id: null }, version: Number(event.version) })
  }
  for (const { table, rows } of allRows(stream))
    for (const row of rows) {
      const id = table.key[1]
      remove(world.state, (old) => old.table === table.name && old.row[id] === row[id])
      world.state.push({ table: table.name, row: asJsonb(row) })
    }
}

/** As to_jsonb writes it with TimeZone UTC. */
function asJsonb(row: Readonly<JsonRow>): JsonRow {
  return Object.fromEntries(
    Object.entries(structuredClone(row)).map(([column, value]) => {
      if (!column.endsWith('_at') || typeof value !== 'string') return [column, value]
      return [column, value.replace(/\.000Z$/, '+00:00').replace(/0*Z$/, '+00:00')]
    }),
  )
}

/** `keys`: numbers of keys, newest first, as `signersOf` takes them. Leaf 0, sealed by itself. */
export function openLog(
  world: World,
  keys: readonly number[],
  continues: Continued | null = null,
  number = world.logs.length + 1,
): DbLog {
  for (const log of world.logs) log.closedAt ??= '2026-03-02T00:00:00.000000Z'
  const log: DbLog = {
    ...{ number, origin: `${HOST}/${number}`, size: 0, root: rootOf(EMPTY_EDGE), closedAt: null, keys },
    ...{ edge: EMPTY_EDGE, leaves: [], tiles: new Map(), checkpoints: [], cursor: new Map() },
  }
  world.logs.push(log)
  const vkeys = signersOf(log.origin, ...keys).map(({ vkey }) => vkey)
  addLeaf(log, logEntry({ kind: 'opened', at: '2026-03-01T09:30:00.000Z', origin: log.origin, keys: vkeys, continues }))
  sign(log)
  return log
}

/** Changes what the log is signed with, and says so under the old key. */
export function rotateKeys(log: DbLog, overlap: readonly number[], after: readonly number[]): void {
  const vkeys = signersOf(log.origin, ...overlap).map(({ vkey }) => vkey)
  addLeaf(log, logEntry({ kind: 'keys', at: '2026-03-01T10:30:00.000Z', keys: vkeys }))
  log.keys = overlap
  sign(log)
  log.keys = after
}

/** Seals the next `count` events, of all that are there by default, under one checkpoint. */
export function seal(world: World, count = Number.POSITIVE_INFINITY): void {
  const log = world.logs.at(-1)!
  const waiting = world.events
    .filter((event) => event.shard_position > (log.cursor.get(event.shard) ?? 0))
    .sort((a, b) => (String(a.occurred_at) < String(b.occurred_at) ? -1 : 1))
    .slice(0, count)
  const leaves = waiting.map((event) => {
    const leaf_index = log.leaves.length
    log.leaves.push({ leaf_index, shard: event.shard, shard_position: event.shard_position, entry: null })
    log.cursor.set(event.shard, event.shard_position)
    return leafHash(entryOf(event))
  })
  addHashes(log, leaves)
  sign(log)
}

export function sign(log: DbLog): void {
  const text = checkpointText({ origin: log.origin, size: log.size, root: log.root })
  const note = signNote(text, signersOf(log.origin, ...log.keys))
  remove(log.checkpoints, ({ size }) => size === log.size)
  log.checkpoints.push({ size: log.size, root: log.root, note, sealed_at: '2026-03-01T09:30:00.000000Z' })
}

function addLeaf(log: DbLog, entry: Buffer): void {
  log.leaves.push({ leaf_index: log.leaves.length, shard: null, shard_position: null, entry })
  addHashes(log, [leafHash(entry)])
}

function addHashes(log: DbLog, hashes: readonly Buffer[]): void {
  const { edge, tiles } = appendLeaves(log.edge, hashes)
  log.edge = edge
  for (const tile of tiles) log.tiles.set(`${tile.level}/${tile.index}`, tile.hashes)
  log.size = edge.size
  log.root = rootOf(edge)
}

/** Makes the tree anew from the events as they now stand, as an attacker would who has no key. */
export function rewriteTree(world: World, log: DbLog): void {
  log.edge = EMPTY_EDGE
  log.tiles.clear()
  addHashes(
    log,
    log.leaves.map((leaf) => leafHash(leafEntry(world, leaf) ?? Buffer.alloc(0))),
  )
}

function leafEntry(world: World, { shard, shard_position, entry }: LeafRow): Buffer | undefined {
  if (entry !== null) return entry
  const event = world.events.find((one) => one.shard === shard && one.shard_position === shard_position)
  return event && entryOf(event)
}

export function entryOf(event: DbEvent): Buffer {
  return eventEntry({
    shard: event.shard,
    shardPosition: BigInt(event.shard_position),
    position: BigInt(Number(event.position)),
    occurredAt: String(event.occurred_at),
    mac: event.mac,
    macSecretId: String(event.mac_secret_id),
    body: event.body,
  })
}

/** Path to content, without the manifest. */
export type Files = Map<string, Buffer | string>

export function exportOf(world: World, current = world.logs.at(-1)): Files {
  const files: Files = new Map()
  const events = [...world.events].sort((a, b) => a.shard_position - b.shard_position)
  files.set(
    'export.json',
    JSON.stringify({
      format: 'keyledger-audit-export',
      version: 1,
      madeAt: '2026-03-02T09:30:00.000Z',
      log: current?.number ?? null,
      logs: world.logs.map(({ number, origin, size, root, closedAt }) => ({
        number,
        origin,
        size,
        root: b64(root),
        closedAt,
      })),
      shards: Object.fromEntries(world.heads),
    }),
  )
  for (const log of world.logs) exportLog(world, files, log, log === current)
  const shards = new Set([
    ...world.heads.keys(),
    ...[...events, ...world.state.map(({ row }) => row)].map(({ shard }) => Number(shard)),
  ])
  for (const shard of shards) {
    const of = <Row extends { readonly shard?: unknown }>(rows: readonly Row[]) =>
      rows.filter((row) => row.shard === shard)
    files.set(
      `events/${shard}.ndjson`,
      ndjson(of(events).map((event) => ({ ...event, body: b64(event.body), mac: b64(event.mac) }))),
    )
    files.set(`streams/${shard}.ndjson`, ndjson(of(world.streams)))
    for (const table of ['account', 'keyspace', 'key', 'code', 'rotation', 'link', 'policy', 'user'])
      files.set(
        `state/${table}/${shard}.ndjson`,
        ndjson(
          of(world.state.filter((one) => one.table === table).map(({ row }) => row as JsonRow & { shard?: unknown })),
        ),
      )
  }
  files.set('accounts.ndjson', ndjson(world.accounts))
  files.set('personal.ndjson', ndjson(world.personal))
  return files
}

function exportLog(world: World, files: Files, log: DbLog, isCurrent: boolean): void {
  const folder = `audit/${log.number}`
  const newest = log.checkpoints.at(-1)
  if (newest !== undefined) files.set(`${folder}/checkpoint`, newest.note)
  files.set(
    `${folder}/checkpoints.ndjson`,
    ndjson(
      log.checkpoints.map(({ size, root, note, sealed_at }) => ({ size, root: b64(root), note, sealedAt: sealed_at })),
    ),
  )
  files.set(
    `${folder}/log-entries.ndjson`,
    ndjson(log.leaves.flatMap(({ leaf_index, entry }) => (entry === null ? [] : [{ leaf_index, entry: b64(entry) }]))),
  )
  const size = newest?.size ?? 0
  for (const { level, index, width } of tilesOf(size)) {
    const hashes = log.tiles.get(`${level}/${index}`)
    if (hashes !== undefined)
      files.set(`${folder}/${tilePath(level, index, width)}`, hashes.subarray(0, width * HASH_BYTES))
    if (level > 0 || !isCurrent) continue
    const leaves = Array.from({ length: width }, (_, at) => index * TILE_WIDTH + at)
    const entryAt = (leaf: number) =>
      log.leaves.filter((row) => row.leaf_index === leaf).map((row) => leafEntry(world, row))[0]
    files.set(
      `${folder}/${tilePath('entries', index, width)}`,
      Buffer.concat(leaves.map((leaf) => prefixed(entryAt(leaf) ?? Buffer.alloc(0)))),
    )
  }
}

function prefixed(entry: Buffer): Buffer {
  const length = Buffer.alloc(2)
  length.writeUInt16BE(entry.length)
  return Buffer.concat([length, entry])
}

/** `hasManifest`: false for an export that was interrupted. */
export function writeFiles(folder: string, files: Files, hasManifest = true): void {
  for (const [file, content] of files) {
    mkdirSync(path.dirname(path.join(folder, file)), { recursive: true })
    writeFileSync(path.join(folder, file), content)
  }
  const lines = [...files].map(([file, content]) => `${sha256(content)}  ${file}\n`)
  if (hasManifest) writeFileSync(path.join(folder, 'manifest.sha256'), lines.join(''))
}

export function sha256(content: Buffer | string): string {
  return createHash('sha256').update(content).digest('hex')
}

export function remove<Item>(items: Item[], isWrong: (item: Item) => boolean): void {
  for (let at = items.length - 1; at >= 0; at--) if (isWrong(items[at]!)) items.splice(at, 1)
}

function ndjson(rows: readonly object[]): string {
  return rows.map((row) => `${JSON.stringify(row)}\n`).join('')
}

function b64(bytes: Buffer): string {
  return bytes.toString('base64')
}
