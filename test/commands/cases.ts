// Every command with an input that it accepts: what all of them have in common is tested for each.

import { addUser } from '#commands/add-user.ts'
import type { Command, CommonInput } from '#commands/command.ts'
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
import type { MadeAccount, TestServices } from '../support/services.ts'

export type AnyCommand = Command<CommonInput, unknown>

export type Case = {
  readonly name: string
  readonly command: AnyCommand
  /** The member of the input that names what it is about. */
  readonly id: 'accountId' | 'keyspaceId' | 'policyId' | 'keyId' | 'codeId' | 'linkId' | 'userId' | null
  readonly versioned: boolean
  /** Takes no idempotency key: every call is an event. */
  readonly neverRetried?: true
  /** What the caller must hold beside its permission, because the input gives it away. */
  readonly gives?: readonly string[]
  /** Types of the events that it makes. */
  readonly events: readonly string[]
  /** Plaintexts in its answer. */
  readonly secrets: number
  /** Makes what it needs in the account, and an input that is then accepted. */
  prepare(at: TestServices, account: MadeAccount): Promise<Readonly<Record<string, unknown>>>
}

const aKeyspace = (at: TestServices, { accountId }: MadeAccount) => at.createKeyspace(accountId)
const aKey = async (at: TestServices, account: MadeAccount, input?: object) =>
  at.createKey(await aKeyspace(at, account), input)
const aCode = async (at: TestServices, account: MadeAccount) => (await aKey(at, account)).codeIds[0]

const accountCases: readonly Omit<Case, 'name'>[] = [
  {
    command: createAccount as AnyCommand,
    id: null,
    versioned: false,
    events: ['account.created', 'keyspace.created'],
    secrets: 0,
    prepare: async () => ({ name: 'Other' }),
  },
  {
    command: updateAccount as AnyCommand,
    id: 'accountId',
    versioned: false,
    events: ['account.updated'],
    secrets: 0,
    prepare: async (_at, { accountId }) => ({ accountId, name: `Renamed ${crypto.randomUUID()}` }),
  },
  {
    command: createKeyspace as AnyCommand,
    id: 'accountId',
    versioned: false,
    events: ['keyspace.created'],
    secrets: 0,
    prepare: async (_at, { accountId }) => ({ accountId, name: `Made ${crypto.randomUUID()}` }),
  },
  {
    command: updateKeyspace as AnyCommand,
    id: 'keyspaceId',
    versioned: true,
    events: ['keyspace.updated'],
    secrets: 0,
    prepare: async (at, account) => ({ keyspaceId: await aKeyspace(at, account), rules: { prefix: 'other' } }),
  },
  {
    command: deleteKeyspace as AnyCommand,
    id: 'keyspaceId',
    versioned: true,
    events: ['keyspace.deleted'],
    secrets: 0,
    prepare: async (at, account) => ({ keyspaceId: await aKeyspace(at, account) }),
  },
]

const policyCases: readonly Omit<Case, 'name'>[] = [
  {
    command: createPolicy as AnyCommand,
    id: 'accountId',
    versioned: false,
    events: ['policy.created'],
    secrets: 0,
    prepare: async (_at, { accountId }) => ({
      accountId,
      name: `Made ${crypto.randomUUID()}`,
      description: 'what it is for',
      permissions: ['ads.read'],
      endpoints: [{ methods: ['GET'], path: '/ads/:id' }],
    }),
  },
  {
    command: updatePolicy as AnyCommand,
    id: 'policyId',
    versioned: true,
    events: ['policy.updated'],
    secrets: 0,
    prepare: async (at, { accountId }) => ({ policyId: await at.createPolicy(accountId), permissions: ['ads.*'] }),
  },
  {
    command: deletePolicy as AnyCommand,
    id: 'policyId',
    versioned: true,
    events: ['policy.deleted'],
    secrets: 0,
    prepare: async (at, { accountId }) => ({ policyId: await at.createPolicy(accountId) }),
  },
]

const keyCases: readonly Omit<Case, 'name'>[] = [
  {
    command: createKey as AnyCommand,
    id: 'keyspaceId',
    versioned: false,
    events: ['key.created', 'code.issued', 'code.issued'],
    secrets: 2,
    prepare: async (at, account) => ({
      keyspaceId: await aKeyspace(at, account),
      name: 'made',
      enabled: true,
      codes: [{}, {}],
    }),
  },
  {
    command: updateKey as AnyCommand,
    id: 'keyId',
    versioned: true,
    events: ['key.updated'],
    secrets: 0,
    prepare: async (at, account) => ({ keyId: (await aKey(at, account)).keyId, name: 'changed' }),
  },
  {
    command: enableKey as AnyCommand,
    id: 'keyId',
    versioned: true,
    events: ['key.enabled'],
    secrets: 0,
    prepare: async (at, account) => ({ keyId: (await aKey(at, account, { enabled: false })).keyId }),
  },
  {
    command: disableKey as AnyCommand,
    id: 'keyId',
    versioned: true,
    events: ['key.disabled'],
    secrets: 0,
    prepare: async (at, account) => ({ keyId: (await aKey(at, account)).keyId }),
  },
  {
    command: revokeKey as AnyCommand,
    id: 'keyId',
    versioned: true,
    events: ['key.revoked'],
    secrets: 0,
    prepare: async (at, account) => ({ keyId: (await aKey(at, account)).keyId, reason: 'SUPERSEDED', note: 'why' }),
  },
  {
    command: deleteKey as AnyCommand,
    id: 'keyId',
    versioned: true,
    events: ['key.revoked', 'key.deleted'],
    secrets: 0,
    prepare: async (at, account) => ({ keyId: (await aKey(at, account)).keyId, reason: 'UNSPECIFIED' }),
  },
  {
    command: rotateKey as AnyCommand,
    id: 'keyId',
    versioned: true,
    events: ['key.rotated'],
    secrets: 1,
    prepare: async (at, account) => ({ keyId: (await aKey(at, account)).keyId, slot: 'PRIMARY', overlapSeconds: 60 }),
  },
]

const codeCases: readonly Omit<Case, 'name'>[] = [
  {
    command: issueCode as AnyCommand,
    id: 'keyId',
    versioned: true,
    events: ['code.issued'],
    secrets: 1,
    prepare: async (at, account) => ({ keyId: (await aKey(at, account)).keyId, description: 'second' }),
  },
  {
    command: updateCode as AnyCommand,
    id: 'codeId',
    versioned: true,
    events: ['code.updated'],
    secrets: 0,
    prepare: async (at, account) => ({ codeId: await aCode(at, account), description: 'changed' }),
  },
  {
    command: enableCode as AnyCommand,
    id: 'codeId',
    versioned: true,
    events: ['code.enabled'],
    secrets: 0,
    prepare: async (at, account) => {
      const codeId = await aCode(at, account)
      await at.done(disableCode, { codeId })
      return { codeId }
    },
  },
  {
    command: disableCode as AnyCommand,
    id: 'codeId',
    versioned: true,
    events: ['code.disabled'],
    secrets: 0,
    prepare: async (at, account) => ({ codeId: await aCode(at, account) }),
  },
  {
    command: deleteCode as AnyCommand,
    id: 'codeId',
    versioned: true,
    events: ['code.deleted'],
    secrets: 0,
    prepare: async (at, account) => ({ codeId: await aCode(at, account) }),
  },
]

const revealCase: Omit<Case, 'name'> = {
  command: revealCode as AnyCommand,
  id: 'codeId',
  versioned: false,
  neverRetried: true,
  events: ['code.revealed'],
  secrets: 1,
  prepare: async (at, { accountId }) => {
    const keyspaceId = await at.createKeyspace(accountId, { secretDisplay: 'REVEALABLE' })
    return { codeId: (await at.createKey(keyspaceId)).codeIds[0] }
  },
}

const aLink = async (at: TestServices, { accountId }: MadeAccount) =>
  at.linkKey(accountId, (await at.createForeignKey()).keyId)

const linkCases: readonly Omit<Case, 'name'>[] = [
  {
    command: linkKey as AnyCommand,
    id: 'accountId',
    versioned: false,
    events: ['key.linked'],
    secrets: 0,
    prepare: async (at, { accountId }) => ({
      accountId,
      keyId: (await at.createForeignKey()).keyId,
      keyspaceId: await at.createKeyspace(accountId),
      policyIds: [await at.createPolicy(accountId)],
    }),
  },
  {
    command: updateLink as AnyCommand,
    id: 'linkId',
    versioned: true,
    events: ['link.updated'],
    secrets: 0,
    prepare: async (at, account) => ({
      linkId: await aLink(at, account),
      policyIds: [await at.createPolicy(account.accountId)],
    }),
  },
  {
    command: unlinkKey as AnyCommand,
    id: 'linkId',
    versioned: true,
    events: ['key.unlinked'],
    secrets: 0,
    prepare: async (at, account) => ({ linkId: await aLink(at, account) }),
  },
]

const userCases: readonly Omit<Case, 'name'>[] = [
  {
    command: addUser as AnyCommand,
    id: 'accountId',
    versioned: false,
    events: ['user.added'],
    secrets: 0,
    gives: ['keys.verify'],
    prepare: async (_at, { accountId }) => ({
      accountId,
      externalId: `${crypto.randomUUID()}@example.org`,
      role: 'VERIFIER',
    }),
  },
  {
    command: updateUser as AnyCommand,
    id: 'userId',
    versioned: true,
    events: ['user.updated'],
    secrets: 0,
    prepare: async (at, { accountId }) => ({ userId: await at.addUser(accountId), displayName: 'changed' }),
  },
  {
    command: removeUser as AnyCommand,
    id: 'userId',
    versioned: true,
    events: ['user.removed'],
    secrets: 0,
    prepare: async (at, { accountId }) => ({ userId: await at.addUser(accountId) }),
  },
  {
    command: eraseUser as AnyCommand,
    id: 'userId',
    versioned: true,
    events: ['user.removed', 'user.erased'],
    secrets: 0,
    prepare: async (at, { accountId }) => ({ userId: await at.addUser(accountId) }),
  },
]

export const cases: readonly Case[] = [
  ...accountCases,
  ...policyCases,
  ...keyCases,
  ...codeCases,
  revealCase,
  ...linkCases,
  ...userCases,
].map((found) => ({
  ...found,
  name: found.command.name,
}))
