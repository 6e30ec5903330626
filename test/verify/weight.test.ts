// How much the cache says it keeps, against what the heap says: whatever tenants put into their keys, it must not take much more than
// its bound, which is all that stands between one of them and the memory of all.
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import { testKeyring } from '#test/support/services.ts'
import { readMatches } from '#verify/candidates.ts'
import type { MatchedCode } from '#verify/matched-code.ts'
import { UNIT_BYTES } from '#verify/scale.ts'
import { createSourcedCache } from '#verify/sourced-cache.ts'
import { weightOfKeyspace, weightOfUser } from '#verify/weight.ts'

/** Of what is measured; an estimate may be too low by so much. */
const SHARE_MIN = 0.7

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void
function heapUsed(): number {
  collectGarbage()
  collectGarbage()
  return process.memoryUsage().heapUsed
}

type Rows = Parameters<typeof readMatches>[2]
type Row = Extract<Rows[number], { readonly question: number }>
type Varied = Partial<Row>

const keyring = testKeyring('k1')
const feed = {
  follow: () => ({ stop: () => undefined }),
  cursors: () => new Map([[0, { position: 0n, eventId: 'evt_0' }]]),
  surroundings: () => ({
    generation: 1n,
    rootKeyDigests: [],
    databaseNow: '2026-03-01T09:30:00.000Z',
    isStandby: false,
  }),
}

const POLICIES = 50
const id = (kind: string, index: number) => `${kind}_0${index.toString(36).padStart(25, '0')}`
const times = <Thing>(count: number, make: (index: number) => Thing) =>
  Array.from({ length: count }, (_, at) => make(at))
const permissions = (of: string) => times(100, (at) => `p${at}.${of}.`.padEnd(128, 'x'))
const rules = (of: string) =>
  times(32, (at) => ({ methods: times(10, (m) => `M${m}`.padEnd(20, 'X')), path: `/${at}/${of}` }))
const policies = (of: string) =>
  times(POLICIES, (at) => ({ permissions: permissions(`${of}.${at}`), endpoints: rules(`${of}/${at}`) }))
const shortRules = (of: string) =>
  times(POLICIES, (at) => ({
    permissions: [],
    endpoints: times(32, (rule) => ({ methods: ['*'], path: `/${of}/${at}/${rule}` })),
  }))
const policyIds = (of: number) => times(POLICIES, (at) => id('pol', of * POLICIES + at))

/** As the driver makes it, of a text of its own. */
function rowOf(index: number, varied: Varied): Row {
  const { link = null, ...others } = varied
  const plain = {
    question: 0,
    shards: [0],
    account_id: id('acct', index % 5),
    keyspace_id: id('ks', index % 5),
    management: false,
    upstream_user_required: false,
    key_id: id('key', index),
    code_id: id('code', index),
    slot: 'PRIMARY',
    code_enabled: true,
    code_expires_at: '2027-03-01T09:30:00.000Z',
    replaced_at: null,
    overlap_ends_at: null,
    code_deleted_at: null,
    name: `Key ${index}`,
    tags: ['a', 'b'],
    metadata: { team: 'reports', number: index },
    permissions: ['ads.read', 'reports.read'],
    policy_ids: [],
    policies: [],
    key_enabled: true,
    key_expires_at: null,
    revoked_at: null,
    key_deleted_at: null,
    log_request: false,
    log_response: false,
    updated_at: '2026-03-01T09:30:00.000Z',
    owner_id: null,
    acts_as_id: null,
    user_role: null,
    user_permissions: null,
    user_removed_at: null,
    names: null,
    link,
    ...others,
  }
  return { ...JSON.parse(JSON.stringify(plain)), generation: 1n, heads: [0n], position: 1n }
}

/** What the cache says, and what it took, of each. */
function keep(count: number, varied: (index: number) => Varied) {
  const cache = createSourcedCache<readonly MatchedCode[]>({ feed, entriesMax: 1_000_000 })
  const put = (index: number) => {
    const digest = index.toString(16).padStart(64, '0')
    const { snapshot, loaded } = readMatches(
      keyring,
      [{ digests: [digest], place: null }],
      [rowOf(index, varied(index))],
      new Map(),
    )
    for (const one of loaded) cache.put(digest, one, snapshot, cache.epoch())
  }
  // Once for nothing: code is compiled.
  for (let index = 0; index < 10; index++) put(index)
  const before = heapUsed()
  const bytesBefore = cache.bytes()
  for (let index = 10; index < count + 10; index++) put(index)
  const measured = (heapUsed() - before) / count
  const counted = (cache.bytes() - bytesBefore) / count
  expect(cache.size()).toBe(count + 10)
  return { measured, counted }
}

const LINK = {
  linkId: id('lnk', 0),
  accountId: id('acct', 9),
  keyspaceId: null,
  policyIds: [id('pol', 0)],
  position: '1',
  upstreamUserRequired: false,
  policies: [{ permissions: ['ads.read'], endpoints: [] }],
}

test.each<[string, number, (index: number) => Varied]>([
  ['a small key', 20_000, () => ({})],
  ['a small key that a link lets in', 20_000, (index) => ({ link: { ...LINK, linkId: id('lnk', index) } })],
  ['the metadata that would take most, parsed', 500, () => ({ metadata: times(5_400, () => ({})) })],
  ['metadata in no Latin letters', 500, (index) => ({ metadata: { name: `${index}`, text: '語'.repeat(5_000) } })],
  ['metadata, almost all of it in Latin letters', 500, (index) => ({ metadata: `語${index}${'a'.repeat(16_000)}` })],
  [
    'permissions and tags of its own',
    300,
    (index) => ({
      permissions: permissions(`${index}`),
      tags: times(50, (at) => `${index} ${at} `.padEnd(100, 'é')),
      policy_ids: policyIds(index),
    }),
  ],
  ['policies of its own', 10, (index) => ({ policies: policies(`${index}`), policy_ids: policyIds(index) })],
  [
    'policies of its own with short rules',
    100,
    (index) => ({ policies: shortRules(`${index}`), policy_ids: policyIds(index) }),
  ],
  ['policies that others have too', 50, () => ({ policies: policies('all'), policy_ids: policyIds(0) })],
  [
    'some policies that others have too',
    100,
    (index) => ({
      policies: policies('some').filter((_, at) => at === index % POLICIES || at % 3 === index % 3),
      policy_ids: policyIds(0),
    }),
  ],
  [
    'who acts as a user',
    500,
    (index) => ({
      acts_as_id: id('usr', index),
      user_role: 'MEMBER',
      user_permissions: permissions(`${index}`),
    }),
  ],
  [
    'a link with policies of its own',
    10,
    (index) => ({
      link: { ...LINK, linkId: id('lnk', index), policyIds: policyIds(index), policies: policies(`l${index}`) },
    }),
  ],
])('%s counts as at least 0.7 of what it takes', (_what, count, varied) => {
  const { measured, counted } = keep(count, varied)
  expect(counted / measured).toBeGreaterThan(SHARE_MIN)
})

test('a small key counts as one', () => {
  expect(keep(100, () => ({})).counted).toBe(UNIT_BYTES)
})

test('policies are counted once, however many codes have them', () => {
  const { counted } = keep(20, () => ({ policies: policies('once'), policy_ids: policyIds(0) }))
  // The ten before have counted them already; each has a list of what they all grant, and of the policies’ ids.
  expect(counted).toBeLessThan(80_000)
})

test('a user counts as what they may do takes, and a keyspace as where its keys are looked for', () => {
  const permissions = Array.from({ length: 100 }, (_, index) => `${index}`.padStart(128, 'p'))
  const user = { userId: 'usr_1', accountId: 'acct_1', role: 'MEMBER', permissions, removed: false } as const
  expect(weightOfUser(user).bytes).toBeGreaterThan(12_800)
  const presentations = Array.from({ length: 10 }, () => ({ place: 'HEADER', name: 'x'.repeat(100) }))
  expect(weightOfKeyspace({ presentations }).bytes).toBeGreaterThan(1_000)
})
