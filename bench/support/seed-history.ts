// A long history of one account: decided by the deciders and sealed like any other, but copied into the log past its append, whose
// turn every event would have to wait for; its indexes are made when all is there. State follows by a rebuild. Keys live a thousand
// at a time, their events mixed.
import { chmod, mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Actor } from '#domain/actor.ts'
import { instantOf } from '#domain/instant.ts'
import type { KeyCommand } from '#domain/key/commands.ts'
import { decideKey } from '#domain/key/decide.ts'
import { DEFAULT_RULES } from '#domain/keyspace/rules.ts'
import { evolveStream, newStream, type Stream } from '#domain/streams.ts'
import { encodeBody } from '#log/body.ts'
import { eventSchemas } from '#log/upcast.ts'
import { digestSecret } from '#secret/digest.ts'
import { newId, newSalt } from '#secret/ids.ts'
import type { Keyring } from '#secret/keyring.ts'
import { macOf } from '#secret/mac.ts'
import { hintOf, mintSecret } from '#secret/mint.ts'
import { rebuildState } from '#state/rebuild.ts'
import type { Installation } from './installation.ts'
import { detailsOf, type SeededAccount, seed } from './seed.ts'

export type SeededHistory = {
  readonly account: SeededAccount
  readonly events: number
  /** Has more events than any other key. */
  readonly longKeyId: string
  readonly longKeyEvents: number
  /** The first does half of all that is done, the last next to nothing; the others share the rest. */
  readonly actorIds: readonly string[]
  readonly generateSeconds: number
  readonly indexSeconds: number
  readonly rebuildSeconds: number
}

const COHORT = 1_000
const ACTORS = 20
const RARELY = 50_000
/** What happens seldom. */
const REVOKED_EVERY = 500
const STEP_US = 100_000n
const COLUMNS =
  'shard, shard_position, account_id, position, event_id, stream_id, stream_kind, version, type, schema_version, actor_kind, ' +
  'actor_id, credential_key_id, credential_code_id, correlation_id, decided_at, occurred_at, body, data, mac, mac_secret_id'

/** Some `eventCount` events of `keyCount` keys, one of which has `longEvents`. */
export async function seedHistory(
  installation: Installation,
  eventCount: number,
  keyCount: number,
  longEvents: number,
): Promise<SeededHistory> {
  const { accounts } = await seed(installation, 64)
  const [account] = accounts
  if (account === undefined) throw new Error('there are accounts')
  const { owner } = installation.database
  const folder = await mkdtemp(path.join(tmpdir(), 'keyledger-history-'))
  // The server reads them, which may run as another user.
  await chmod(folder, 0o755)
  try {
    const began = performance.now()
    const makeIndexes = await dropIndexes(installation)
    const writer = await startWriter(installation, account)
    const each = Math.floor((eventCount - longEvents) / keyCount)
    const actorIds = Array.from({ length: ACTORS + 1 }, () => newId('key', account.shard))
    let copying: Promise<unknown> = Promise.resolve()
    let longKeyId = ''
    for (let from = 0; from < keyCount; from += COHORT) {
      const count = Math.min(COHORT, keyCount - from)
      const lives = Array.from({ length: count }, (_, index) => {
        const keyId = actorIds[from + index] ?? newId('key', account.shard)
        return newLife(installation.services.keyring, account, keyId, from + index)
      })
      const isFirst = from === 0
      const lengths = lives.map((_, index) => (isFirst && index === count - 1 ? longEvents : each))
      if (isFirst) longKeyId = lives.at(-1)?.keyId ?? ''
      const file = path.join(folder, String(from))
      await writeCohort(writer, lives, lengths, actorIds, file)
      // The server stores one cohort while the next is made here.
      await copying
      copying = owner.pool.query(`COPY log.event (${COLUMNS}) FROM '${file}'`).then(() => rm(file))
    }
    await copying
    const events = await writer.finish()
    const generated = performance.now()
    await makeIndexes()
    const indexed = performance.now()
    await rebuildState(owner)
    return {
      account,
      events,
      longKeyId,
      longKeyEvents: longEvents,
      actorIds,
      generateSeconds: (generated - began) / 1_000,
      indexSeconds: (indexed - generated) / 1_000,
      rebuildSeconds: (performance.now() - indexed) / 1_000,
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Gives a function that makes them again, of what is there by then. */
async function dropIndexes({ database }: Installation): Promise<() => Promise<void>> {
  const { pool } = database.owner
  const { rows } = await pool.query<{ name: string; constraint: string | null; definition: string }>(`
    SELECT i.indexrelid::regclass::text AS name, c.conname AS constraint,
           coalesce(pg_get_constraintdef(c.oid), pg_get_indexdef(i.indexrelid)) AS definition
      FROM pg_index i LEFT JOIN pg_constraint c ON c.conindid = i.indexrelid AND c.conrelid = i.indrelid
     WHERE i.indrelid = 'log.event'::regclass ORDER BY i.indisprimary DESC, 1`)
  for (const { name, constraint } of rows)
    await pool.query(constraint === null ? `DROP INDEX ${name}` : `ALTER TABLE log.event DROP CONSTRAINT ${constraint}`)
  return async () => {
    const client = await pool.connect()
    try {
      await client.query(`SET maintenance_work_mem = '1GB'`)
      for (const { constraint, definition } of rows)
        await client.query(
          constraint === null ? definition : `ALTER TABLE log.event ADD CONSTRAINT ${constraint} ${definition}`,
        )
      await client.query('VACUUM (ANALYZE, FREEZE) log.event')
      await client.query('VACUUM ANALYZE log.stream')
      await client.query('RESET maintenance_work_mem')
    } finally {
      client.release()
    }
  }
}

type Writer = {
  /** The next events of a life, as lines that COPY reads. */
  lines(life: Life, actor: Actor): string
  /** How many were written, with the counters set after them. */
  finish(): Promise<number>
}

async function startWriter({ database, services }: Installation, account: SeededAccount): Promise<Writer> {
  const { pool } = database.owner
  const { shard, accountId } = account
  const { rows } = await pool.query<{ head: bigint; position: bigint; us: string }>(
    `SELECT head, position, (extract(epoch FROM last_at) * 1000000)::bigint::text AS us
       FROM log.feed_shard f JOIN log.account a ON a.shard = f.shard AND a.account_id = $2 WHERE f.shard = $1`,
    [shard, accountId],
  )
  const [at] = rows
  if (at === undefined) throw new Error('the account is there')
  let [head, position, us, lastId, count] = [at.head, at.position, BigInt(at.us), '', 0]
  return {
    lines(life, actor) {
      const decidedAt = instantOf(Number((us + STEP_US) / 1_000n))
      const correlationId = newId('evt', shard)
      const credential = actor.id === null ? null : { keyId: actor.id, codeId: actor.id.replace('key_', 'code_') }
      return life
        .next(decidedAt, actor)
        .map(({ fact, version }) => {
          ;[head, position, us, count] = [head + 1n, position + 1n, us + STEP_US, count + 1]
          lastId = newId('evt', shard)
          const schemaVersion = eventSchemas[fact.type].version
          const body = encodeBody({
            eventId: lastId,
            accountId,
            streamId: life.keyId,
            streamKind: 'key',
            version,
            type: fact.type,
            schemaVersion,
            actor,
            credential,
            correlationId,
            decidedAt,
            data: fact.data,
            salt: newSalt(),
            personal: {},
          })
          const { mac, secretId } = macOf(services.keyring, body)
          const occurredAt = `${instantOf(Number(us / 1_000n)).slice(0, -1)}${String(us % 1_000n).padStart(3, '0')}Z`
          const place = [shard, head, accountId, position, lastId, life.keyId, 'key', version, fact.type, schemaVersion]
          const by = [credential?.keyId ?? '\\N', credential?.codeId ?? '\\N']
          const who = [actor.kind, actor.id ?? '\\N', ...by, correlationId, decidedAt, occurredAt]
          const data = JSON.stringify(fact.data).replaceAll('\\', '\\\\')
          const sealed = [`\\\\x${body.toString('hex')}`, data, `\\\\x${mac.toString('hex')}`, secretId]
          return `${[...place, ...who, ...sealed].join('\t')}\n`
        })
        .join('')
    },
    async finish() {
      await pool.query(
        `INSERT INTO log.stream (shard, stream_id, account_id, kind, version)
         SELECT shard, stream_id, account_id, stream_kind, max(version) FROM log.event
          WHERE shard = $1 AND account_id = $2 AND position > $3 GROUP BY 1, 2, 3, 4`,
        [shard, accountId, at.position],
      )
      await pool.query('UPDATE log.account SET position = $3 WHERE shard = $1 AND account_id = $2', [
        ...[shard, accountId, position],
      ])
      await pool.query(
        `UPDATE log.feed_shard SET head = $2, last_event_id = $3, last_at = to_timestamp($4::numeric / 1000000)
          WHERE shard = $1`,
        [shard, head, lastId, String(us)],
      )
      return count
    },
  }
}

type Fact = Extract<ReturnType<typeof decideKey>, { kind: 'accepted' }>['facts'][number]

type Life = {
  readonly keyId: string
  version(): number
  /** The next that happens to it will be its end. */
  revoke(): void
  /** What the next thing that happens to it comes to. */
  next(now: string, by: Actor): readonly { readonly fact: Fact; readonly version: number }[]
}

function newLife(keyring: Keyring, account: SeededAccount, keyId: string, number: number): Life {
  const { accountId, shard, keyspaceId } = account
  let stream: Stream<'key'> = newStream('key', keyId, accountId)
  const steps: readonly ((now: string) => KeyCommand)[] = [
    (now) => ({
      ...{ type: 'UpdateKey', now, rules: DEFAULT_RULES, activeKeyCount: 0 },
      details: { description: `reads campaign reports since ${now}`, tags: [`team-${stream.version % 100}`] },
    }),
    () => ({ type: 'DisableKey' }),
    () => ({ type: 'EnableKey' }),
    (now) => ({ type: 'UpdateCode', codeId: newest(stream), description: `used by the nightly run since ${now}` }),
    (now) => ({
      ...{ type: 'RotateKey', now, rules: DEFAULT_RULES, rotationId: newId('rot', shard), slot: 'PRIMARY' },
      ...{ code: newCode(keyring, shard), overlapSeconds: 3_600 },
    }),
  ]
  const create = (now: string): KeyCommand => ({
    ...{ type: 'CreateKey', now, rules: DEFAULT_RULES, keyspaceId, details: detailsOf(number), policies: [] },
    ...{ enabled: true, isDefault: false, codes: [newCode(keyring, shard)], activeKeyCount: 0 },
  })
  let turn = 0
  let isToEnd = false
  return {
    keyId,
    version: () => stream.version,
    revoke() {
      isToEnd = true
    },
    next(now, actor) {
      const change = stream.version === 0 ? create(now) : steps[turn++ % steps.length]?.(now)
      const command = isToEnd ? ({ type: 'RevokeKey', reason: 'SUPERSEDED', note: null } as const) : change
      const decision = command && decideKey(command, stream.state)
      if (decision?.kind !== 'accepted') throw new Error(`seeding was refused: ${JSON.stringify(decision)}`)
      return decision.facts.map((fact) => {
        const version = stream.version + 1
        stream = evolveStream(stream, { ...fact, at: now, actor, version })
        return { fact, version }
      })
    },
  }
}

function newest({ state }: Stream<'key'>): string {
  return (state.status === 'none' ? undefined : state.codes.at(-1)?.codeId) ?? ''
}

function newCode(keyring: Keyring, shard: number) {
  const secret = mintSecret(DEFAULT_RULES.prefix)
  const { digest, secretId } = digestSecret(keyring, secret.reveal())
  return {
    ...{ codeId: newId('code', shard), description: null, hint: hintOf(secret) },
    ...{ digest: digest.toString('hex'), secretId },
  }
}

let done = 0

/** Turn by turn until each has as many events as it is to have. */
async function writeCohort(
  writer: Writer,
  lives: readonly Life[],
  lengths: readonly number[],
  actorIds: readonly string[],
  file: string,
): Promise<void> {
  const handle = await open(file, 'w')
  let living = lives.map((life, index) => ({ life, length: lengths[index] ?? 0 }))
  while (living.length > 0) {
    await handle.write(living.map(({ life }) => writer.lines(life, actorOf(done++, actorIds))).join(''))
    living = living.filter(({ life, length }) => life.version() < length)
  }
  const ended = lives.filter((_, index) => index % REVOKED_EVERY === REVOKED_EVERY - 2)
  for (const life of ended) life.revoke()
  await handle.write(ended.map((life) => writer.lines(life, actorOf(done++, actorIds))).join(''))
  await handle.close()
}

function actorOf(turn: number, actorIds: readonly string[]): Actor {
  const at = turn % RARELY === RARELY - 1 ? ACTORS : turn % 2 === 0 ? 0 : 1 + ((turn >> 1) % (ACTORS - 1))
  return { kind: 'KEY', id: actorIds[at] ?? null }
}
