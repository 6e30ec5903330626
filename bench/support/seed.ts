// Many keys quickly: their events are decided by the deciders and appended by log.append like any others, only a thousand
// keys at a time, and state follows by a rebuild. What comes out is a log that a check finds nothing wrong with.
import { send } from '#database/connect.ts'
import { decideAccount } from '#domain/account/decide.ts'
import type { Decision } from '#domain/event.ts'
import { DAY_MS, type Instant, instantOf, plusMs } from '#domain/instant.ts'
import { decideKey } from '#domain/key/decide.ts'
import type { KeyDetails } from '#domain/key/events.ts'
import { decideKeyspace } from '#domain/keyspace/decide.ts'
import { DEFAULT_RULES, MANAGEMENT_RULES } from '#domain/keyspace/rules.ts'
import { type AnyFact, newStream, type StreamKind } from '#domain/streams.ts'
import { append } from '#log/append.ts'
import type { EventBody } from '#log/body.ts'
import { eventSchemas } from '#log/upcast.ts'
import { digestSecret } from '#secret/digest.ts'
import { newId, newSalt } from '#secret/ids.ts'
import type { Keyring } from '#secret/keyring.ts'
import { hintOf, mintSecret } from '#secret/mint.ts'
import { rebuildState } from '#state/rebuild.ts'
import { type Installation, origin } from './installation.ts'

/** `keyIds` are active keys, in no order. */
export type SeededAccount = {
  readonly shard: number
  readonly accountId: string
  readonly keyspaceId: string
  readonly keyIds: string[]
  /** Of its keys, in the same order. */
  readonly secrets: string[]
}
export type Seeded = {
  readonly accounts: readonly SeededAccount[]
  readonly events: number
  readonly appendSeconds: number
  readonly rebuildSeconds: number
}

const SHARDS = 16
const ACCOUNTS = 64
/** Half of all keys are the first account's, so that it can be loaded alone without every key of it becoming a hot one. */
const FIRST_ACCOUNT_SHARE = 0.5
const CHUNK_KEYS = 1_000
/** The server stores one chunk while the next is made here. */
const APPENDS_AT_ONCE = 3
const HISTORY_DAYS = 365

/** Seeds a fresh installation with 64 accounts, four to a shard, and `keyCount` keys that were made over the last year. */
export async function seed({ database, services }: Installation, keyCount: number): Promise<Seeded> {
  const { keyring } = services
  const accounts = Array.from({ length: ACCOUNTS }, (_, index) => newAccount(index % SHARDS))
  const start = plusMs(instantOf(Date.now()), -HISTORY_DAYS * DAY_MS)
  const began = performance.now()
  let events = 0
  const write = async (shard: number, bodies: readonly EventBody[]) => {
    events += bodies.length
    await send(database.owner.pool, append(keyring, shard, bodies))
  }
  for (const account of accounts) await write(account.shard, accountBodies(account, start))
  const chunks = chunksOf(accounts, keyCount).values()
  const writer = async () => {
    for (const { account, keys, at } of chunks) {
      const now = plusMs(start, at * HISTORY_DAYS * DAY_MS)
      await write(account.shard, keyBodies(keyring, account, keys, now))
    }
  }
  await Promise.all(Array.from({ length: APPENDS_AT_ONCE }, writer))
  // As autovacuum would have done long before, had the rows come one by one.
  await database.owner.pool.query('VACUUM (ANALYZE) log.event, log.stream, log.account, log.feed_shard')
  const appended = performance.now()
  await rebuildState(database.owner)
  return {
    accounts,
    events,
    appendSeconds: (appended - began) / 1_000,
    rebuildSeconds: (performance.now() - appended) / 1_000,
  }
}

function newAccount(shard: number): SeededAccount {
  return { shard, accountId: newId('acct', shard), keyspaceId: newId('ks', shard), keyIds: [], secrets: [] }
}

type Chunk = { readonly account: SeededAccount; readonly keys: number; readonly at: number }

/** In the order of time, 0 to 1, accounts mixed, as the events of a real log are. */
function chunksOf(accounts: readonly SeededAccount[], keyCount: number): readonly Chunk[] {
  const first = Math.ceil(keyCount * FIRST_ACCOUNT_SHARE)
  const chunks = accounts.flatMap((account, index) => {
    const others = accounts.length - 1
    const keys = index === 0 ? first : Math.floor((keyCount - first + index - 1) / others)
    const count = Math.ceil(keys / CHUNK_KEYS)
    return Array.from({ length: count }, (_, at) => ({
      account,
      keys: Math.min(CHUNK_KEYS, keys - at * CHUNK_KEYS),
      at: (at + index / accounts.length) / count,
    }))
  })
  return chunks.toSorted((a, b) => a.at - b.at)
}

function accountBodies({ accountId, shard, keyspaceId }: SeededAccount, now: Instant): readonly EventBody[] {
  const managementKeyspaceId = newId('ks', shard)
  const name = `account ${accountId.slice(-4)}`
  const keyspace = { type: 'CreateKeyspace', nameTaken: false } as const
  const none = newStream('keyspace', keyspaceId, accountId).state
  const management = { ...keyspace, name: 'management', management: true, rules: MANAGEMENT_RULES }
  const ordinary = { ...keyspace, name: 'main', management: false, rules: DEFAULT_RULES }
  const bodies = (kind: StreamKind, id: string, decision: Decision<AnyFact, unknown>) =>
    bodiesOf({ accountId, shard, streamId: id, streamKind: kind, now }, decision)
  return [
    ...bodies(
      'account',
      accountId,
      decideAccount(
        { type: 'CreateAccount', name, managementKeyspaceId },
        newStream('account', accountId, accountId).state,
      ),
    ),
    ...bodies('keyspace', managementKeyspaceId, decideKeyspace(management, none)),
    ...bodies('keyspace', keyspaceId, decideKeyspace(ordinary, none)),
  ]
}

function keyBodies(keyring: Keyring, account: SeededAccount, count: number, now: Instant): readonly EventBody[] {
  const { accountId, shard, keyspaceId, keyIds, secrets } = account
  return Array.from({ length: count }, () => {
    const keyId = newId('key', shard)
    keyIds.push(keyId)
    const secret = mintSecret(DEFAULT_RULES.prefix)
    secrets.push(secret.reveal())
    const { digest, secretId } = digestSecret(keyring, secret.reveal())
    const codeId = newId('code', shard)
    const code = { codeId, description: null, hint: hintOf(secret), digest: digest.toString('hex'), secretId }
    const decision = decideKey(
      {
        type: 'CreateKey',
        now,
        rules: DEFAULT_RULES,
        keyspaceId,
        details: detailsOf(keyIds.length),
        policies: [],
        enabled: true,
        isDefault: false,
        codes: [code],
        activeKeyCount: 0,
      },
      newStream('key', keyId, accountId).state,
    )
    return bodiesOf({ accountId, shard, streamId: keyId, streamKind: 'key', now }, decision)
  }).flat()
}

/** A key as people make them: some tags, some metadata. Seeded and measured ones are alike. */
export function detailsOf(number: number): KeyDetails {
  return {
    name: `Reporting service ${number}`,
    description: 'Reads campaign reports every night.',
    tags: [`team-${number % 100}`, 'production'],
    metadata: { ticket: `OPS-${number}`, contact: 'platform@example.com' },
    policyIds: [],
    permissions: ['reports.read', 'campaigns.read'],
    ownerId: null,
    actsAsId: null,
    expiresAt: null,
    logging: { request: false, response: false },
  }
}

type Place = Pick<EventBody, 'accountId' | 'streamId' | 'streamKind'> & {
  readonly shard: number
  readonly now: Instant
}

/** The events of a stream that did not exist before. */
function bodiesOf({ shard, now, ...place }: Place, decision: Decision<AnyFact, unknown>): readonly EventBody[] {
  if (decision.kind === 'refused') throw new Error(`seeding was refused: ${JSON.stringify(decision.refusal)}`)
  return decision.facts.map((fact, index) => ({
    ...place,
    eventId: newId('evt', shard),
    version: index + 1,
    type: fact.type,
    schemaVersion: eventSchemas[fact.type].version,
    actor: { kind: 'ROOT', id: null },
    credential: null,
    correlationId: origin.correlationId,
    decidedAt: now,
    data: fact.data,
    salt: newSalt(),
    personal: {},
  }))
}
