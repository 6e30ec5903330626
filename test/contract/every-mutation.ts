// One run of every mutation there is, on every kind of thing, with what a client may put in: what other tests then look for
// traces of in the database.
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { addUser } from '#commands/add-user.ts'
import type { Command, CommonInput, Origin } from '#commands/command.ts'
import { createAccount } from '#commands/create-account.ts'
import { createKey } from '#commands/create-key.ts'
import { createKeyspace } from '#commands/create-keyspace.ts'
import { createPolicy } from '#commands/create-policy.ts'
import { deleteCode } from '#commands/delete-code.ts'
import { deleteKey } from '#commands/delete-key.ts'
import { deleteKeyspace } from '#commands/delete-keyspace.ts'
import { deletePolicy } from '#commands/delete-policy.ts'
import { disableCode } from '#commands/disable-code.ts'
import { disableKey } from '#commands/disable-key.ts'
import { enableCode } from '#commands/enable-code.ts'
import { enableKey } from '#commands/enable-key.ts'
import { eraseUser } from '#commands/erase-user.ts'
import { issueCode } from '#commands/issue-code.ts'
import { linkKey } from '#commands/link-key.ts'
import { removeUser } from '#commands/remove-user.ts'
import { revealCode } from '#commands/reveal-code.ts'
import { revokeKey } from '#commands/revoke-key.ts'
import { rotateKey } from '#commands/rotate-key.ts'
import { unlinkKey } from '#commands/unlink-key.ts'
import { updateAccount } from '#commands/update-account.ts'
import { updateCode } from '#commands/update-code.ts'
import { updateKey } from '#commands/update-key.ts'
import { updateKeyspace } from '#commands/update-keyspace.ts'
import { updateLink } from '#commands/update-link.ts'
import { updatePolicy } from '#commands/update-policy.ts'
import { updateUser } from '#commands/update-user.ts'
import { DAY_MS, plusMs } from '#domain/instant.ts'
import { randomDigits } from '#secret/random.ts'
import type { TestServices } from '../support/services.ts'

export type Everything = {
  /** Names of the mutations that ran. */
  readonly ran: ReadonlySet<string>
  /** Every plaintext that was issued. */
  readonly plaintexts: readonly string[]
  /** Who users are: every external id and display name. */
  readonly personal: readonly string[]
  readonly idempotencyKeys: readonly string[]
  readonly accountIds: readonly string[]
}

export async function runEveryMutation(at: TestServices): Promise<Everything> {
  const ran = new Set<string>()
  const plaintexts: string[] = []
  const accountIds: string[] = []
  const idempotencyKeys: string[] = []
  const done = async <I extends CommonInput, R>(command: Command<I, R>, input: object, origin?: Origin) => {
    const idempotencyKey = `request-${idempotencyKeys.length}`
    idempotencyKeys.push(idempotencyKey)
    const outcome = await at.done(command, { ...input, idempotencyKey }, origin)
    ran.add(command.name)
    plaintexts.push(...[...outcome.secrets.values()].map((secret) => secret.reveal()))
    return outcome.result
  }
  for (const name of ['Acme', 'Änderungs-Schneiderei ☂ "quoted" \\ <b>']) {
    const { accountId } = await done(createAccount, { name })
    accountIds.push(accountId)
    await live(at, done, accountId, name)
  }
  return { ran, plaintexts, personal: PERSONAL, idempotencyKeys, accountIds }
}

type Run = <I extends CommonInput, R>(command: Command<I, R>, input: object, origin?: Origin) => Promise<R>

async function live(at: TestServices, done: Run, accountId: string, name: string): Promise<void> {
  await done(updateAccount, { accountId, name: `${name} Ltd` })
  const { management_keyspace_id: management } = await at.database.kysely
    .selectFrom('state.account')
    .select('management_keyspace_id')
    .where('account_id', '=', accountId)
    .executeTakeFirstOrThrow()
  const admin = await done(createKey, { keyspaceId: management, name: 'admin', enabled: true, permissions: ['*'] })
  const caller: Origin = {
    caller: { kind: 'KEY', keyId: admin.keyId, codeId: admin.issuedCodeIds[0] ?? '', accountId, permissions: ['*'] },
    correlationId: 'by a key',
  }
  const { keyspaceId: emptied } = await done(createKeyspace, { accountId, name: 'short-lived' }, caller)
  await done(deleteKeyspace, { keyspaceId: emptied }, caller)
  const { keyspaceId } = await done(createKeyspace, { accountId, name, rules: { activeKeysMax: 9 } }, caller)
  await done(
    updateKeyspace,
    {
      keyspaceId,
      name: `${name} 2`,
      rules: { prefix: 'ads', activeKeysMax: null, presentations: [{ place: 'JSON', name: '__proto__' }] },
    },
    caller,
  )
  await policyLife(done, accountId, caller)
  await keyLife(at, done, keyspaceId, caller)
  const own = await done(createKeyspace, { accountId, name: 'own', rules: { customSecrets: true } }, caller)
  await ownSecrets(done, own.keyspaceId, caller)
  await keptSecrets(done, accountId, caller)
  await linkLife(at, done, accountId, caller)
  await userLife(done, accountId, caller)
}

async function keptSecrets(done: Run, accountId: string, caller: Origin): Promise<void> {
  const rules = { secretDisplay: 'REVEALABLE', customSecrets: true }
  const { keyspaceId } = await done(createKeyspace, { accountId, name: 'kept', rules }, caller)
  const codes = [{}, { secret: `kept+${randomDigits(32)}` }]
  const { keyId, issuedCodeIds } = await done(createKey, { keyspaceId, name: 'k', enabled: true, codes }, caller)
  for (const codeId of issuedCodeIds) await done(revealCode, { codeId }, caller)
  await done(rotateKey, { keyId, slot: 'PRIMARY', overlapSeconds: 60 }, caller)
}

async function ownSecrets(done: Run, keyspaceId: string, caller: Origin): Promise<void> {
  const random = () => randomDigits(32)
  const codes = [{ secret: `own+${random()}` }, { secret: `"${random()}\\'%$1` }]
  const { keyId } = await done(createKey, { keyspaceId, name: 'own', enabled: true, codes }, caller)
  await done(rotateKey, { keyId, slot: 'SECONDARY', overlapSeconds: 60, secret: `{${random()}}` }, caller)
  await done(deleteKey, { keyId, reason: 'UNSPECIFIED' }, caller)
  const other = await done(createKey, { keyspaceId, name: 'other', enabled: true, codes: [] }, caller)
  await done(issueCode, { keyId: other.keyId, secret: `~${random()}~` }, caller)
}

/** A policy that a frozen key and, for a while, an ordinary one hold. */
async function policyLife(done: Run, accountId: string, caller: Origin): Promise<void> {
  const endpoints = [{ methods: ['GET', 'HEAD'], path: '/ads/:id' }]
  const { policyId } = await done(
    createPolicy,
    { accountId, name: 'reports ☂', description: 'two\nlines', permissions: ['ads.read', 'reports.*'], endpoints },
    caller,
  )
  const rules = { authorizations: 'FROZEN', policyRequired: true }
  const { keyspaceId: frozen } = await done(createKeyspace, { accountId, name: 'sets', rules }, caller)
  await done(createKey, { keyspaceId: frozen, name: 'set', enabled: true, policyIds: [policyId] }, caller)
  const { keyspaceId } = await done(createKeyspace, { accountId, name: 'console' }, caller)
  const { keyId } = await done(createKey, { keyspaceId, name: 'k', enabled: true, policyIds: [policyId] }, caller)
  const { keyspaceId: later } = await done(createKeyspace, { accountId, name: 'later' }, caller)
  await done(createKey, { keyspaceId: later, name: 'k', enabled: true, policyIds: [policyId] }, caller)
  await done(updateKeyspace, { keyspaceId: later, rules: { authorizations: 'FROZEN' } }, caller)
  await done(updatePolicy, { policyId, name: 'ads', description: 'other', permissions: null, endpoints: null }, caller)
  await done(updateKey, { keyId, policyIds: null, permissions: ['ads.read'] }, caller)
  await done(deletePolicy, { policyId }, caller)
}

async function linkLife(at: TestServices, done: Run, accountId: string, caller: Origin): Promise<void> {
  const { keyId } = await at.createForeignKey()
  const { keyspaceId } = await done(createKeyspace, { accountId, name: 'lent' }, caller)
  const policies = await Promise.all(
    ['one', 'two'].map((name) =>
      done(createPolicy, { accountId, name, description: 'for links', permissions: ['ads.read'] }, caller),
    ),
  )
  const [first, second] = policies.map(({ policyId }) => policyId)
  const { linkId } = await done(linkKey, { accountId, keyId, keyspaceId, policyIds: [first] }, caller)
  await done(updateLink, { linkId, policyIds: [second, first] }, caller)
  await done(unlinkKey, { linkId }, caller)
  await done(linkKey, { accountId, keyId, policyIds: [second] }, caller)
}

const PERSONAL = ['kharnagy@domain.corp', 'Kálmán "Kharnagy" Nagy', 'Frau Dr. Groß', 'batch.reports/ÄÖ']

async function userLife(done: Run, accountId: string, caller: Origin): Promise<void> {
  const [externalId, displayName, renamed, other] = PERSONAL
  const { userId } = await done(
    addUser,
    { accountId, externalId, displayName, role: 'ADMINISTRATOR', permissions: ['ads.read', 'reports.*'] },
    caller,
  )
  await done(updateUser, { userId, displayName: renamed }, caller)
  await done(updateUser, { userId, displayName: null, role: 'AUDITOR', permissions: null }, caller)
  await done(addUser, { accountId, externalId: other, role: 'MEMBER' }, caller)
  const rules = { managedBy: 'OWNERS' }
  const { keyspaceId } = await done(createKeyspace, { accountId, name: 'personal', rules }, caller)
  const own = { keyspaceId, name: 'own', enabled: true, ownerId: userId }
  const { keyId } = await done(createKey, { ...own, actsAs: other }, caller)
  await done(updateKey, { keyId, ownerId: null, actsAs: externalId }, caller)
  await done(createKey, own, caller)
  await done(removeUser, { userId }, caller)
  const gone = await done(addUser, { accountId, externalId, displayName: 'Nobody', role: 'MEMBER' }, caller)
  await done(eraseUser, { userId: gone.userId }, caller)
}

async function keyLife(at: TestServices, done: Run, keyspaceId: string, caller: Origin): Promise<void> {
  const { keyId, issuedCodeIds } = await done(
    createKey,
    {
      keyspaceId,
      name: 'Grüße ﬁ 名前',
      enabled: true,
      description: 'two\nlines, a\ttab and "quotes"',
      tags: ['prod', 'a b', '{"not":"json"}'],
      metadata: { z: [1, -0.5, 1e21, 5e-324, null, true], a: { '': 'ß', 'é"\\': '\ud83d\ude00', __proto_: {} } },
      permissions: ['ads.read', 'reports.*'],
      expiresAt: plusMs(at.clock.now(), 300 * DAY_MS),
      logging: { request: true, response: true },
      codes: [{}, { description: 'second', expiresAt: plusMs(at.clock.now(), 30 * DAY_MS) }],
    },
    caller,
  )
  const [, second = ''] = issuedCodeIds
  at.clock.advance(1_000)
  await done(
    updateKey,
    { keyId, name: 'other', description: null, tags: null, metadata: null, expiresAt: null, logging: null },
    caller,
  )
  await done(rotateKey, { keyId, slot: 'PRIMARY', overlapSeconds: 3_600, description: 'rotated' }, caller)
  at.clock.advance(1_000)
  await done(rotateKey, { keyId, slot: 'PRIMARY', overlapSeconds: 60 }, caller)
  await done(disableKey, { keyId }, caller)
  await done(enableKey, { keyId }, caller)
  await done(updateCode, { codeId: second, description: 'to be deleted' }, caller)
  await done(disableCode, { codeId: second }, caller)
  await done(enableCode, { codeId: second }, caller)
  await done(deleteCode, { codeId: second }, caller)
  await done(issueCode, { keyId, slot: 'SECONDARY' }, caller)
  await done(revokeKey, { keyId, reason: 'KEY_COMPROMISE', note: 'found in a log' }, caller)
  await done(deleteKey, { keyId, reason: 'UNSPECIFIED' }, caller)
  const other = await done(createKey, { keyspaceId, name: 'off', enabled: false, codes: [] }, caller)
  await done(deleteKey, { keyId: other.keyId, reason: 'SUPERSEDED', note: 'never used' }, caller)
}

/** Every command of src/commands, found by its shape. */
export async function everyCommand(): Promise<readonly Command<CommonInput, unknown>[]> {
  const folder = join(import.meta.dirname, '../../src/commands')
  const modules = await Promise.all(
    (await readdir(folder)).map((file) => import(join(folder, file)) as Promise<object>),
  )
  return modules.flatMap((module) => Object.values(module)).filter(isCommand)
}

function isCommand(value: unknown): value is Command<CommonInput, unknown> {
  return typeof value === 'object' && value !== null && 'locate' in value && 'decide' in value && 'name' in value
}
