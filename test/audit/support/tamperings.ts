// Each way to change an installation behind its back, and what a verifier has to say of it: kind and what. One list for both verifiers.
import { ACME, BETA, FORGOTTEN, KEY, SOMEONE } from './stories.ts'
import { type DbEvent, type DbLog, type JsonRow, remove, rewriteTree, sha256, sign, type World } from './world.ts'

export type Tampering = {
  readonly name: string
  readonly alter: (world: World) => void
  readonly found: readonly string[]
}

const event = (world: World, shard: number, position: number): DbEvent =>
  world.events.find((one) => one.shard === shard && one.shard_position === position)!
const log = (world: World): DbLog => world.logs.at(-1)!
const evt = (number: number, shard = '03') => `evt_${shard}${String(number).padStart(20, '0')}`
const stateOf = (world: World, table: string): JsonRow => world.state.find((one) => one.table === table)!.row
const POLICY = `pol_03${String(7).padStart(20, '0')}`

/** Columns that repeat the body: the leaf still fits, the column does not. */
const REPEATED = {
  account_id: BETA,
  event_id: evt(99),
  stream_id: KEY,
  stream_kind: 'key',
  version: 9,
  type: 'policy.deleted',
  schema_version: 2,
  actor_kind: 'KEY',
  actor_id: KEY,
  credential_key_id: KEY,
  credential_code_id: KEY,
  correlation_id: 'other',
  decided_at: '2026-03-01T09:30:04.001000Z',
  data: { name: 'other' },
}
/** Those that are hashed. */
const HASHED = {
  position: 77,
  occurred_at: '2026-03-01T09:30:04.000001Z',
  mac: Buffer.alloc(32, 9),
  mac_secret_id: 'k2',
  body: Buffer.from('{}'),
}

/**
 * Of `soundWorld`: leaf 0 is the log's own; leaves 1 to 18 are events 1 to 18. Position 3 of shard 3 is event 4, leaf 4. The last
 * sealed of shard 3 is event 16 (position 14, leaf 16); 19 and 20 (positions 15 and 16) are not sealed yet.
 */
const ofEvents: readonly Tampering[] = [
  {
    name: 'an event is written to a shard that there can not be',
    alter: (world) => {
      world.events.push({ ...structuredClone(event(world, 3, 3)), shard: -7, shard_position: 1, event_id: evt(98) })
      world.events.at(-1)!.body = Buffer.from(event(world, 3, 3).body)
      world.events.at(-1)!.mac = Buffer.from(event(world, 3, 3).mac)
    },
    found: [
      ...[`pending: ${evt(98)}`, `pending: ${evt(98)}`, 'counter: shard -7'],
      ...[`counter: ${ACME}`, `counter: ${ACME}`],
    ],
  },
  {
    name: 'an account is counted in a second shard',
    alter: (world) => void world.accounts.unshift({ shard: 1, account_id: ACME, position: 77 }),
    found: [`counter: ${ACME}`],
  },
  ...Object.entries(REPEATED).map(([column, value]) => ({
    name: `a sealed event's ${column} is changed`,
    alter: (world: World) => void Object.assign(event(world, 3, 3), { [column]: value }),
    found: [`event-changed: ${evt(4)}`],
  })),
  ...Object.entries(HASHED).map(([column, value]) => ({
    name: `a sealed event's ${column} is changed`,
    alter: (world: World) => void Object.assign(event(world, 3, 3), { [column]: value }),
    found: ['entry: audit/1 leaf 4', `event-changed: ${evt(4)}`],
  })),
  {
    name: 'the last sealed event of a shard is changed',
    alter: (world) => void Object.assign(event(world, 3, 14), { mac_secret_id: 'k2' }),
    found: ['entry: audit/1 leaf 16', `event-changed: ${evt(16)}`],
  },
  {
    name: 'a sealed event is moved to another position',
    alter: (world) => void Object.assign(event(world, 3, 3), { shard_position: 99 }),
    found: ['event-missing: shard 3, position 3', `event-inserted: ${evt(4)}`, 'event-missing: audit/1 leaf 4'],
  },
  {
    name: 'a sealed event is deleted',
    alter: (world) => remove(world.events, ({ event_id }) => event_id === evt(4)),
    found: ['event-missing: shard 3, position 3', 'event-missing: audit/1 leaf 4'],
  },
  {
    name: 'the last sealed events of a shard are deleted, with those that follow',
    alter: (world) => remove(world.events, (one) => one.shard === 3 && one.shard_position > 12),
    found: [
      'event-missing: shard 3, positions 13 to 16',
      'event-missing: audit/1 leaf 15',
      'event-missing: audit/1 leaf 16',
    ],
  },
  {
    name: 'an event is deleted and its counters are turned back',
    alter: (world) => {
      remove(world.events, (one) => one.shard === 0 && one.shard_position === 4)
      world.heads.set(0, { head: 3, lastEventId: event(world, 0, 3).event_id })
      remove(world.streams, ({ stream_id }) => stream_id === event2Stream)
      world.accounts.find(({ account_id }) => account_id === BETA)!.position = 3
      remove(world.state, ({ row }) => row.user_id === event2Stream)
      remove(world.personal, ({ user_id }) => user_id === event2Stream)
    },
    found: ['event-missing: audit/1 leaf 18'],
  },
  {
    name: 'two sealed events change places',
    alter: (world) => {
      const [a, b] = [event(world, 3, 3), event(world, 3, 4)]
      Object.assign(a, { shard_position: 4, position: 4 })
      Object.assign(b, { shard_position: 3, position: 3 })
    },
    found: ['entry: audit/1 leaf 4', 'entry: audit/1 leaf 5', `event-changed: ${evt(5)}`, `event-changed: ${evt(4)}`],
  },
  {
    name: 'an event is put where a sealed one stands',
    alter: (world) =>
      void world.events.push({ ...event(world, 3, 3), event_id: evt(99), body: event(world, 3, 4).body }),
    found: [`event-inserted: ${evt(99)}`],
  },
  {
    name: 'a sealed event is there twice',
    alter: (world) => void world.events.push({ ...event(world, 3, 3) }),
    found: [`event-inserted: ${evt(4)}`],
  },
]

const event2Stream = `usr_00${String(1017).padStart(20, '0')}`

const ofPending: readonly Tampering[] = [
  ...Object.entries(REPEATED)
    // By these an event that is not sealed is found or named.
    .filter(([column]) => column !== 'event_id')
    .map(([column, value]) => ({
      name: `the ${column} of an event that is not sealed is changed`,
      alter: (world: World) => void Object.assign(event(world, 3, 16), { [column]: value }),
      found: [
        `pending: ${evt(20)}`,
        ...(column === 'account_id' ? [`pending: ${evt(20)}`, `counter: ${ACME}`, `counter: ${BETA}`] : []),
      ],
    })),
  {
    name: 'the body of an event that is not sealed is changed',
    alter: (world) => {
      const one = event(world, 3, 16)
      one.body = Buffer.from(one.body.toString().replace('"role":"MEMBER"', '"role":"ADMINISTRATOR"'))
    },
    found: [`pending: ${evt(20)}`],
  },
  {
    name: 'the body of an event that is not sealed is none',
    alter: (world) => void Object.assign(event(world, 3, 16), { body: Buffer.from('{') }),
    found: [`event-changed: ${evt(20)}`],
  },
  {
    name: 'an event that is not sealed is put behind the last',
    alter: (world) => {
      const last = event(world, 3, 16)
      world.events.push({
        ...last,
        shard_position: 17,
        position: 15,
        event_id: evt(21),
        occurred_at: '2026-03-02T09:30:00.000000Z',
      })
    },
    found: [`event-inserted: ${evt(21)}`],
  },
  {
    name: 'an event that is not sealed is put behind the last and counted in its shard',
    alter: (world) => {
      const last = event(world, 3, 16)
      world.events.push({ ...last, shard_position: 17, position: 17, occurred_at: '2026-03-02T09:30:00.000000Z' })
      world.heads.set(3, { head: 17, lastEventId: last.event_id })
    },
    found: [`pending: ${evt(20)}`, `counter: ${ACME}`],
  },
  {
    name: 'an event that is not sealed is deleted from among others',
    alter: (world) => remove(world.events, ({ event_id }) => event_id === evt(19)),
    found: ['event-missing: shard 3, position 15'],
  },
  {
    name: 'the last event, not sealed, is deleted',
    alter: (world) => remove(world.events, ({ event_id }) => event_id === evt(20)),
    found: ['event-missing: shard 3, position 16'],
  },
  {
    name: 'the times of events that are not sealed change places',
    alter: (world) => {
      const [a, b] = [event(world, 3, 15), event(world, 3, 16)]
      const { occurred_at } = a
      a.occurred_at = b.occurred_at
      b.occurred_at = occurred_at
    },
    found: [`pending: ${evt(20)}`],
  },
]

const ofLog: readonly Tampering[] = [
  {
    name: "a tile's hash is changed",
    alter: (world) => void log(world).tiles.get('0/0')!.fill(7, 64, 96),
    found: ['tile: audit/1/tile/0/000.p/19'],
  },
  {
    name: 'a tile is gone',
    alter: (world) => void log(world).tiles.delete('0/0'),
    found: ['tile: audit/1/tile/0/000.p/19'],
  },
  {
    name: 'a tile is cut short',
    alter: (world) => void log(world).tiles.set('0/0', log(world).tiles.get('0/0')!.subarray(0, 320)),
    found: ['tile: audit/1/tile/0/000.p/19'],
  },
  {
    name: 'an event is changed and the tree is made anew, but not signed',
    alter: (world) => {
      event(world, 3, 5).occurred_at = '2026-03-01T09:30:06.000001Z'
      rewriteTree(world, log(world))
    },
    // Sealed with leaf 6 by the second checkpoint, of 14 leaves.
    found: ['checkpoint: audit/1/checkpoint', 'root: audit/1/checkpoint', 'root: audit/1 checkpoint 14'],
  },
  {
    name: 'an event is changed, and everything of the log is made anew with another key',
    alter: (world) => {
      event(world, 3, 5).occurred_at = '2026-03-01T09:30:06.000001Z'
      rewriteTree(world, log(world))
      log(world).keys = [9]
      sign(log(world))
    },
    found: ['signature: audit/1/checkpoint', 'signature: audit/1 checkpoint 19', 'root: audit/1 checkpoint 14'],
  },
  {
    name: "the newest checkpoint's signature is another key's",
    alter: (world) => {
      log(world).keys = [9]
      sign(log(world))
    },
    found: ['signature: audit/1/checkpoint', 'signature: audit/1 checkpoint 19'],
  },
  {
    name: 'an old checkpoint is rewritten',
    alter: (world) => {
      const row = log(world).checkpoints[1]!
      row.note = row.note.replace('\n6\n', '\n7\n')
    },
    found: ['signature: audit/1 checkpoint 6', 'checkpoint: audit/1 checkpoint 6'],
  },
  {
    name: "an old checkpoint's row says another root",
    alter: (world) => void Object.assign(log(world).checkpoints[1]!, { root: Buffer.alloc(32, 1) }),
    found: ['checkpoint: audit/1 checkpoint 6'],
  },
  {
    name: "the log's row says another size",
    alter: (world) => void Object.assign(log(world), { size: 18 }),
    found: ['checkpoint: audit/1/checkpoint'],
  },
  {
    name: "the log's row says another root",
    alter: (world) => void Object.assign(log(world), { root: Buffer.alloc(32, 1) }),
    found: ['checkpoint: audit/1/checkpoint'],
  },
  {
    name: "the log's own entry is changed",
    alter: (world) => {
      const [first] = log(world).leaves
      first!.entry = Buffer.from(first!.entry!.toString().replace('09:30', '09:31'))
    },
    found: ['entry: audit/1 leaf 0'],
  },
  {
    name: 'a leaf says that it is another event',
    alter: (world) => {
      const [a, b] = [log(world).leaves[4]!, log(world).leaves[5]!]
      const { shard_position } = a
      a.shard_position = b.shard_position
      b.shard_position = shard_position
    },
    found: ['entry: audit/1 leaf 4', 'entry: audit/1 leaf 5'],
  },
  {
    name: 'a leaf is gone',
    alter: (world) => remove(log(world).leaves, ({ leaf_index }) => leaf_index === 18),
    found: ['entry: audit/1 leaf 18'],
  },
  {
    name: 'the newest checkpoint is gone, but not what it sealed',
    alter: (world) => void log(world).checkpoints.pop(),
    found: ['checkpoint: audit/1/checkpoint'],
  },
]

const ofCounters: readonly Tampering[] = [
  {
    name: "a shard's counter is turned back",
    alter: (world) => void Object.assign(world.heads.get(3)!, { head: 14 }),
    found: ['counter: shard 3'],
  },
  {
    name: "a shard's counter names another event",
    alter: (world) => void Object.assign(world.heads.get(3)!, { lastEventId: evt(1) }),
    found: ['counter: shard 3'],
  },
  {
    name: "a shard's counter is gone",
    alter: (world) => void world.heads.delete(0),
    found: ['counter: shard 0'],
  },
  {
    name: "a stream's counter is changed",
    alter: (world) => void Object.assign(world.streams.find(({ stream_id }) => stream_id === KEY)!, { version: 9 }),
    found: [`counter: ${KEY}`],
  },
  {
    name: "a stream's counter is gone",
    alter: (world) => remove(world.streams, ({ stream_id }) => stream_id === KEY),
    found: [`counter: ${KEY}`],
  },
  {
    name: 'a stream is counted that has no events',
    alter: (world) => void world.streams.push({ ...world.streams[0], stream_id: `${KEY}x` }),
    found: [`counter: ${KEY}x`],
  },
  {
    name: "an account's counter is changed",
    alter: (world) => void Object.assign(world.accounts[0]!, { position: 99 }),
    found: [`counter: ${ACME}`],
  },
  {
    name: "an account's counter is gone",
    alter: (world) => remove(world.accounts, ({ account_id }) => account_id === BETA),
    found: [`counter: ${BETA}`],
  },
  {
    name: 'an account is counted that has no events',
    alter: (world) => void world.accounts.push({ shard: 3, account_id: 'acct_x', position: 1 }),
    found: ['counter: acct_x'],
  },
]

const STATE_CHANGES: Readonly<Record<string, JsonRow>> = {
  account: { name: 'other' },
  keyspace: { rules: {} },
  key: { enabled: false },
  code: { digest: `\\x${'00'.repeat(32)}` },
  rotation: { rotated_at: '2026-03-01T09:30:00.001+00:00' },
  policy: { permissions: ['*'] },
  user: { role: 'OWNER' },
}

/** What only a verifier finds that folds the events. */
export const ofState: readonly Tampering[] = [
  {
    name: 'a key is written to a shard that there can not be',
    alter: (world) => void world.state.push({ table: 'key', row: { ...stateOf(world, 'key'), shard: -7 } }),
    found: [`state: state.key ${KEY}`],
  },
  ...Object.entries(STATE_CHANGES).map(([table, change]) => ({
    name: `a row of state.${table} is changed`,
    alter: (world: World) => void Object.assign(stateOf(world, table), change),
    found: [`state: state.${table} <id>`],
  })),
  {
    name: 'a row of state has a column more',
    alter: (world) => void Object.assign(stateOf(world, 'policy'), { more: null }),
    found: [`state: state.policy ${POLICY}`],
  },
  {
    name: 'a row of state is gone',
    alter: (world) => remove(world.state, ({ row }) => row.policy_id === POLICY),
    found: [`state: state.policy ${POLICY}`],
  },
  {
    name: 'a row of state is there that the log knows nothing of',
    alter: (world) =>
      void world.state.push({ table: 'policy', row: { ...stateOf(world, 'policy'), policy_id: 'pol_x' } }),
    found: ['state: state.policy pol_x'],
  },
]

const ofPersonal: readonly Tampering[] = [
  {
    name: 'a ciphertext is changed',
    alter: (world) =>
      void Object.assign(world.personal.find(({ name }) => name === 'externalId')!, { sha256: sha256('z') }),
    found: [`personal: ${SOMEONE}/1/externalId`],
  },
  {
    name: 'a ciphertext is gone without a word of the log',
    alter: (world) => remove(world.personal, ({ user_id, version }) => user_id === SOMEONE && version === 2),
    found: [`personal: ${SOMEONE}/2/displayName`],
  },
  {
    name: "a person's key is gone without a word of the log",
    alter: (world) => remove(world.personal, ({ user_id, key }) => user_id === SOMEONE && key === true),
    found: [`personal: key of ${SOMEONE}`],
  },
  {
    name: 'a ciphertext is there that no event tells of',
    alter: (world) =>
      void world.personal.push({ shard: 3, user_id: SOMEONE, name: 'externalId', version: 2, sha256: sha256('z') }),
    found: [`personal: ${SOMEONE}/2/externalId`],
  },
  {
    name: 'what was erased is still there',
    alter: (world) =>
      void world.personal.push(
        { shard: 3, user_id: FORGOTTEN, name: 'externalId', version: 1, sha256: sha256('c') },
        { shard: 3, user_id: FORGOTTEN, key: true },
      ),
    found: [`personal: ${FORGOTTEN}/1/externalId`, `personal: key of ${FORGOTTEN}`],
  },
  {
    name: 'a ciphertext is there of a shard that has nothing else',
    alter: (world) =>
      void world.personal.push({ shard: 9, user_id: 'usr_x', name: 'externalId', version: 2, sha256: sha256('z') }),
    found: ['personal: usr_x/2/externalId'],
  },
  {
    name: 'a key is there of a person whom the log does not know',
    alter: (world) => void world.personal.push({ shard: 3, user_id: 'usr_x', key: true }),
    found: ['personal: key of usr_x'],
  },
]

export const tamperings: readonly Tampering[] = [...ofEvents, ...ofPending, ...ofLog, ...ofCounters, ...ofPersonal]
