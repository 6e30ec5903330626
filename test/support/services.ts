// The write path without the API in front of it: services with fixed secrets and a clock that a test moves, the root key's
// origin, and short ways to an account, a keyspace, a key and a caller.
//
//   const database = await createTestDatabase()
//   const at = testServices(database.serving)
//   const { accountId } = await at.createAccount()
import { addUser } from '#commands/add-user.ts'
import type { Command, CommonInput, Origin, Outcome } from '#commands/command.ts'
import { createAccount } from '#commands/create-account.ts'
import { createKey } from '#commands/create-key.ts'
import { createKeyspace } from '#commands/create-keyspace.ts'
import { createPolicy } from '#commands/create-policy.ts'
import { linkKey } from '#commands/link-key.ts'
import type { Refusal } from '#commands/refusal.ts'
import { runCommand } from '#commands/run-command.ts'
import type { Database } from '#database/connect.ts'
import { type Keyring, parseKeyring } from '#secret/keyring.ts'
import type { UseRecorder } from '#usage/uses.ts'
import type { VerifyingServices } from '#verify/view.ts'
import { createTestClock, type TestClock } from './clock.ts'
import { testVerifying } from './verifying.ts'
import { PATIENTLY } from './wait.ts'

export type Done<Result> = Extract<Outcome<Result>, { readonly kind: 'done' }>

export type MadeAccount = { readonly accountId: string; readonly managementKeyspaceId: string }

export type MadeKey = {
  readonly keyId: string
  readonly codeIds: readonly string[]
  readonly secrets: readonly string[]
}

/** Holds a management key: its secret is what `authenticate` takes, its origin what commands take. */
export type MadeCaller = MadeKey & { readonly origin: Origin; readonly secret: string }

export type TestServices = VerifyingServices & {
  readonly clock: TestClock
  readonly root: Origin
  run<Input extends CommonInput, Result>(
    command: Command<Input, Result>,
    input: unknown,
    origin?: Origin,
  ): Promise<Outcome<Result>>
  /** The outcome of a command that must succeed. */
  done<Input extends CommonInput, Result>(
    command: Command<Input, Result>,
    input: unknown,
    origin?: Origin,
  ): Promise<Done<Result>>
  /** The refusal of a command that must not succeed. */
  refusal<Input extends CommonInput, Result>(
    command: Command<Input, Result>,
    input: unknown,
    origin?: Origin,
  ): Promise<Refusal>
  createAccount(name?: string): Promise<MadeAccount>
  createKeyspace(accountId: string, rules?: object, name?: string): Promise<string>
  /** Grants nothing unless `input` says otherwise. */
  createPolicy(accountId: string, input?: object): Promise<string>
  /** Enabled, with as many codes as the keyspace gives, unless `input` says otherwise. */
  createKey(keyspaceId: string, input?: object): Promise<MadeKey>
  /** A user's id. A MEMBER of a name of their own, unless `input` says otherwise. */
  addUser(accountId: string, input?: object): Promise<string>
  /** A link's id. Into all of the account, under a policy that grants nothing, unless `input` says otherwise. */
  linkKey(accountId: string, keyId: string, input?: object): Promise<string>
  /** A key of a new account, to be linked into another. */
  createForeignKey(input?: object): Promise<MadeKey>
  createCaller(account: MadeAccount, permissions: readonly string[]): Promise<MadeCaller>
}

export const ROOT: Origin = { caller: { kind: 'ROOT' }, correlationId: 'test' }

/** The same secrets for the same ids in every run, newest first. */
export function testKeyring(...ids: readonly string[]): Keyring {
  const read = parseKeyring(ids.map((id) => `${id}:${Buffer.alloc(32, id).toString('base64')}`).join(','))
  if (!read.ok) throw new Error(read.problems.join('; '))
  return read.keyring
}

export type TestServicesOptions = {
  readonly keyring?: Keyring
  readonly clock?: TestClock
  readonly uses?: UseRecorder
  /** How long verification waits for the database at least: 0 to wait as in production, where that is the point. */
  readonly patienceMs?: number
}

/** For those that don't look at last uses and the access log: nothing is written behind their backs. */
const FORGETFUL = { record: () => undefined }

export function testServices(database: Database, options: TestServicesOptions = {}): TestServices {
  const keyring = options.keyring ?? testKeyring('k1')
  const services = {
    ...testVerifying(database, keyring, options.patienceMs ?? PATIENTLY.timeout),
    database,
    keyring,
    clock: options.clock ?? createTestClock(),
    uses: options.uses ?? FORGETFUL,
    accesses: FORGETFUL,
    identityTokens: null,
    accessLogDays: 30,
  }
  const run: TestServices['run'] = (command, input, origin = ROOT) => runCommand(services, origin, command, input)
  const done: TestServices['done'] = async (command, input, origin) => {
    const outcome = await run(command, input, origin)
    if (outcome.kind === 'done') return outcome
    throw new Error(`${command.name} was refused: ${JSON.stringify(outcome.refusal)}`)
  }
  return {
    ...services,
    root: ROOT,
    run,
    done,
    async refusal(command, input, origin) {
      const outcome = await run(command, input, origin)
      if (outcome.kind === 'refused') return outcome.refusal
      throw new Error(`${command.name} was not refused`)
    },
    ...makersOf(database, done),
  }
}

type Makers = Omit<TestServices, keyof VerifyingServices | 'root' | 'run' | 'done' | 'refusal'>

function makersOf(database: Database, done: TestServices['done']): Makers {
  let count = 0
  const make: TestServices['createKey'] = async (keyspaceId, input = {}) => {
    count += 1
    const { result, secrets } = await done(createKey, { keyspaceId, name: `key ${count}`, enabled: true, ...input })
    const issued = result.issuedCodeIds.map((codeId) => secrets.get(codeId)?.reveal() ?? '')
    return { keyId: result.keyId, codeIds: result.issuedCodeIds, secrets: issued }
  }
  const makers: Makers = {
    createKey: make,
    async createAccount(name = 'Acme') {
      const { accountId } = (await done(createAccount, { name })).result
      const { management_keyspace_id } = await database.kysely
        .selectFrom('state.account')
        .select('management_keyspace_id')
        .where('account_id', '=', accountId)
        .executeTakeFirstOrThrow()
      return { accountId, managementKeyspaceId: management_keyspace_id }
    },
    async createKeyspace(accountId: string, rules: object = {}, name?: string) {
      count += 1
      const made = await done(createKeyspace, { accountId, name: name ?? `keyspace ${count}`, rules })
      return made.result.keyspaceId
    },
    async createPolicy(accountId: string, input: object = {}) {
      count += 1
      const policy = { accountId, name: `policy ${count}`, description: 'what it is for', permissions: [], ...input }
      return (await done(createPolicy, policy)).result.policyId
    },
    async addUser(accountId: string, input: object = {}) {
      count += 1
      const given = { accountId, externalId: `user-${count}@example.org`, role: 'MEMBER', ...input }
      return (await done(addUser, given)).result.userId
    },
    async createCaller({ accountId, managementKeyspaceId }: MadeAccount, permissions: readonly string[]) {
      const made = await make(managementKeyspaceId, { permissions })
      const caller = { kind: 'KEY', keyId: made.keyId, codeId: made.codeIds[0] ?? '', accountId, permissions } as const
      return { ...made, secret: made.secrets[0] ?? '', origin: { caller, correlationId: 'test' } }
    },
    async linkKey(accountId: string, keyId: string, input: object = {}) {
      const policyIds = 'policyIds' in input ? input.policyIds : [await makers.createPolicy(accountId)]
      return (await done(linkKey, { accountId, keyId, ...input, policyIds })).result.linkId
    },
    async createForeignKey(input: object = {}) {
      const { accountId } = await makers.createAccount('Lender')
      return make(await makers.createKeyspace(accountId), input)
    },
  }
  return makers
}

/** Everything that a command can leave behind; equal before and after one that leaves nothing. */
export async function tracesIn(database: Database): Promise<unknown> {
  const tables = [
    'log.feed_shard',
    'log.account',
    'log.stream',
    'log.event',
    'vault.idempotency',
    'vault.sealed_secret',
    'vault.user_key',
    'vault.identity',
    'vault.personal',
  ]
  const state = [
    'state.account',
    'state.keyspace',
    'state.key',
    'state.code',
    'state.rotation',
    'state.link',
    'state.policy',
    'state.user',
  ]
  const texts = [...tables, ...state].map(
    (table) =>
      `SELECT '${table}' AS name, count(*), md5(string_agg(t::text, ' ' ORDER BY t::text COLLATE "C")) FROM ${table} t`,
  )
  return (await database.pool.query(texts.join(' UNION ALL '))).rows
}
