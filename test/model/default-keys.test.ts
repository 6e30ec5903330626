// Users, the keys that are theirs and their default keys, over random lives, against a model of them in memory: after every
// command the rows are what the model says, and wherever the rule holds everybody has exactly one default key.
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { addUser } from '#commands/add-user.ts'
import { createKey } from '#commands/create-key.ts'
import { deleteKey } from '#commands/delete-key.ts'
import { removeUser } from '#commands/remove-user.ts'
import { revokeKey } from '#commands/revoke-key.ts'
import { updateKey } from '#commands/update-key.ts'
import { updateKeyspace } from '#commands/update-keyspace.ts'
import { checkState } from '#state/check.ts'
import { rebuildState } from '#state/rebuild.ts'
import { createTestDatabase, type TestDatabase } from '#test/support/database.ts'
import { type TestServices, testServices } from '#test/support/services.ts'

const RUNS = Number(process.env.MODEL_RUNS ?? 30)
const BUDGET_MS = process.env.MODEL_RUNS === undefined ? 25_000 : RUNS * 10_000
const COMMANDS_MAX = 60
const TIMEOUT_MS = 60_000 + 2 * BUDGET_MS

type Keyspace = { readonly id: string; on: boolean }
type User = { readonly id: string; readonly externalId: string; removed: boolean }
type Key = {
  readonly keyspaceId: string
  ownerId: string | null
  actsAsId: string | null
  /** Made as a default key, not given away since and not ended: what it is while the rule holds. */
  isDefault: boolean
  end: 'REVOKED' | 'DELETED' | null
}
type World = {
  readonly accountId: string
  readonly keyspaces: readonly Keyspace[]
  readonly users: User[]
  readonly keys: Map<string, Key>
  /** Default keys that there must be now, and whose ids nobody can predict. */
  due: { readonly keyspaceId: string; readonly ownerId: string }[]
}

let database: TestDatabase
let at: TestServices
beforeAll(async () => {
  database = await createTestDatabase()
  at = testServices(database.serving)
})
afterAll(() => database.drop())

async function begin(): Promise<World> {
  const { accountId } = await at.createAccount()
  const keyspaces: Keyspace[] = []
  for (const on of [true, false]) {
    const id = await at.createKeyspace(accountId, { secretDisplay: 'REVEALABLE', defaultKeys: on })
    keyspaces.push({ id, on })
  }
  return { accountId, keyspaces, users: [], keys: new Map(), due: [] }
}

const isLive = (key: Key) => key.end === null
const isDefaultNow = (world: World, key: Key) =>
  key.isDefault && world.keyspaces.some(({ id, on }) => on && id === key.keyspaceId)

function end(world: World, key: Key, how: 'REVOKED' | 'DELETED', replaces: boolean): void {
  if (replaces && isLive(key) && isDefaultNow(world, key))
    world.due.push({ keyspaceId: key.keyspaceId, ownerId: key.ownerId ?? '' })
  Object.assign(key, { end: how, isDefault: false })
}

function fill(world: World, keyspace: Keyspace): void {
  for (const { id: ownerId, removed } of world.users) {
    const has = [...world.keys.values()].some(
      (key) => key.isDefault && key.ownerId === ownerId && key.keyspaceId === keyspace.id,
    )
    if (!removed && !has) world.due.push({ keyspaceId: keyspace.id, ownerId })
  }
}

/** `DONE`, or the code of the refusal. */
async function outcomeOf(command: Parameters<TestServices['run']>[0], input: object) {
  const outcome = await at.run(command as never, input)
  return outcome.kind === 'done'
    ? { code: 'DONE', result: outcome.result as Readonly<Record<string, never>>, secrets: outcome.secrets.size }
    : { code: outcome.refusal.code, result: {}, secrets: 0 }
}

/** The rows are what the model says; what is due is there and known from now on. */
async function agree(world: World): Promise<void> {
  const rows = await database.owner.kysely
    .selectFrom('state.key')
    .selectAll()
    .where('account_id', '=', world.accountId)
    .execute()
  const made = rows.filter(({ key_id }) => !world.keys.has(key_id))
  const nameOf = (keyspaceId: string, ownerId: string | null) => `${keyspaceId} ${ownerId}`
  expect(made.map((row) => nameOf(row.keyspace_id, row.owner_id)).sort()).toEqual(
    world.due.map((due) => nameOf(due.keyspaceId, due.ownerId)).sort(),
  )
  for (const { key_id, keyspace_id: keyspaceId, owner_id: ownerId } of made)
    world.keys.set(key_id, { keyspaceId, ownerId, actsAsId: ownerId, isDefault: true, end: null })
  world.due = []
  expect(
    new Map(
      rows.map((row) => [
        row.key_id,
        {
          keyspaceId: row.keyspace_id,
          ownerId: row.owner_id,
          actsAsId: row.acts_as_id,
          isDefault: row.is_default,
          end: row.deleted_at !== null ? 'DELETED' : row.revoked_at !== null ? 'REVOKED' : null,
        },
      ]),
    ),
  ).toEqual(world.keys)
  for (const user of world.users)
    for (const { id, on } of world.keyspaces) {
      const theirs = [...world.keys.values()].filter((key) => key.ownerId === user.id || key.actsAsId === user.id)
      if (user.removed) expect(theirs.filter(isLive)).toEqual([])
      else if (on) expect(theirs.filter((key) => key.isDefault && key.keyspaceId === id)).toHaveLength(1)
    }
}

const numbers = fc.noBias(fc.nat({ max: 99 }))
const pick = <T>(some: readonly T[], n: number): T | undefined => some[n % Math.max(1, some.length)]

function command<T>(name: string, drawn: fc.Arbitrary<T>, run: (world: World, drawn: T) => Promise<void>) {
  return drawn.map(
    (values): fc.AsyncCommand<World, null> => ({
      check: () => true,
      async run(world) {
        await run(world, values)
        await agree(world)
      },
      toString: () => `${name} ${JSON.stringify(values)}`,
    }),
  )
}

const adding = command('addUser', fc.constant(null), async (world) => {
  const externalId = crypto.randomUUID()
  const { code, result, secrets } = await outcomeOf(addUser as never, {
    accountId: world.accountId,
    externalId,
    role: 'MEMBER',
  })
  expect(code).toBe('DONE')
  const id = String(result.userId)
  world.users.push({ id, externalId, removed: false })
  const on = world.keyspaces.filter((keyspace) => keyspace.on)
  expect(secrets).toBe(on.length)
  world.due.push(...on.map((keyspace) => ({ keyspaceId: keyspace.id, ownerId: id })))
})

const removing = command('removeUser', numbers, async (world, n) => {
  const user = pick(world.users, n)
  if (user === undefined) return
  expect((await outcomeOf(removeUser as never, { userId: user.id })).code).toBe('DONE')
  user.removed = true
  for (const key of world.keys.values())
    if (isLive(key) && (key.ownerId === user.id || key.actsAsId === user.id)) end(world, key, 'REVOKED', false)
})

const creating = command(
  'createKey',
  fc.record({ where: numbers, owner: fc.option(numbers), actsAs: fc.option(numbers) }),
  async (world, drawn) => {
    const keyspace = pick(world.keyspaces, drawn.where) as Keyspace
    const owner = drawn.owner === null ? undefined : pick(world.users, drawn.owner)
    const actsAs = drawn.actsAs === null ? undefined : pick(world.users, drawn.actsAs)
    const users = { ...(owner && { ownerId: owner.id }), ...(actsAs && { actsAs: actsAs.externalId }) }
    const input = { keyspaceId: keyspace.id, name: 'ordinary', enabled: true, ...users }
    const { code, result } = await outcomeOf(createKey as never, input)
    expect(code).toBe(owner?.removed || actsAs?.removed ? 'NOT_FOUND' : 'DONE')
    if (code !== 'DONE') return
    world.keys.set(String(result.keyId), {
      keyspaceId: keyspace.id,
      ownerId: owner?.id ?? null,
      actsAsId: actsAs?.id ?? null,
      isDefault: false,
      end: null,
    })
  },
)

const ending = command('end', fc.record({ key: numbers, deletes: fc.boolean() }), async (world, drawn) => {
  const [keyId, key] = pick([...world.keys], drawn.key) ?? []
  if (key === undefined) return
  const { code, result, secrets } = await outcomeOf((drawn.deletes ? deleteKey : revokeKey) as never, {
    keyId,
    reason: 'UNSPECIFIED',
  })
  expect(code).toBe('DONE')
  const replaces = isLive(key) && isDefaultNow(world, key)
  expect([result.replacementKeyId !== null, secrets]).toEqual([replaces, replaces ? 1 : 0])
  if (key.end !== 'DELETED') end(world, key, drawn.deletes ? 'DELETED' : 'REVOKED', true)
})

const giving = command(
  'give',
  fc.record({
    key: numbers,
    ofDefaults: fc.boolean(),
    to: fc.option(numbers),
    field: fc.constantFrom('ownerId', 'actsAs'),
  }),
  async (world, drawn) => {
    const keys = [...world.keys].filter(([, { isDefault }]) => isDefault || !drawn.ofDefaults)
    const [keyId, key] = pick(keys, drawn.key) ?? []
    if (key === undefined) return
    const user = drawn.to === null ? undefined : pick(world.users, drawn.to)
    const value = drawn.field === 'ownerId' ? user?.id : user?.externalId
    const { code } = await outcomeOf(updateKey as never, { keyId, [drawn.field]: value ?? null })
    const before = drawn.field === 'ownerId' ? key.ownerId : key.actsAsId
    const changes = before !== (user?.id ?? null)
    const reasons = [
      ...(user?.removed ? ['NOT_FOUND'] : []),
      ...(key.end === null ? [] : [`KEY_${key.end}`]),
      ...(isLive(key) && changes && isDefaultNow(world, key) ? ['INVALID_INPUT'] : []),
    ]
    expect(code).toBeOneOf(reasons.length > 0 ? reasons : ['DONE'])
    if (code !== 'DONE' || !changes) return
    key.isDefault = false
    if (drawn.field === 'ownerId') key.ownerId = user?.id ?? null
    else key.actsAsId = user?.id ?? null
  },
)

const switching = command('switch', fc.record({ where: numbers, on: fc.boolean() }), async (world, drawn) => {
  const keyspace = pick(world.keyspaces, drawn.where) as Keyspace
  const rules = { defaultKeys: drawn.on }
  expect((await outcomeOf(updateKeyspace as never, { keyspaceId: keyspace.id, rules })).code).toBe('DONE')
  if (drawn.on && !keyspace.on) fill(world, keyspace)
  keyspace.on = drawn.on
})

test('whatever becomes of users, keys and rules, everybody has the default keys that are due to them', {
  timeout: TIMEOUT_MS,
}, async () => {
  const deadline = performance.now() + BUDGET_MS
  const all = [adding, adding, removing, creating, ending, ending, giving, giving, giving, switching, switching]
  const lives = fc.commands(all, { maxCommands: COMMANDS_MAX, size: 'max' })
  let count = 0
  await fc.assert(
    fc.asyncProperty(lives, async (life) => {
      if (performance.now() > deadline) return
      const model = await begin()
      await fc.asyncModelRun(() => ({ model, real: null }), life)
      count += [...life].length
    }),
    { numRuns: RUNS },
  )
  console.info(`${count} commands`)
  expect(await checkState(database.owner)).toMatchObject({ difference: null })
  await rebuildState(database.owner)
  expect(await checkState(database.owner)).toMatchObject({ difference: null })
})
