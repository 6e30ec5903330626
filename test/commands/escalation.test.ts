// Nobody mints more than they hold: whoever may write keys gets from that no credential of this API that can do more.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Command, CommonInput } from '#commands/command.ts'
import { createKey } from '#commands/create-key.ts'
import { deleteCode } from '#commands/delete-code.ts'
import { deleteKey } from '#commands/delete-key.ts'
import { disableCode } from '#commands/disable-code.ts'
import { disableKey } from '#commands/disable-key.ts'
import { enableCode } from '#commands/enable-code.ts'
import { enableKey } from '#commands/enable-key.ts'
import { issueCode } from '#commands/issue-code.ts'
import { revokeKey } from '#commands/revoke-key.ts'
import { rotateKey } from '#commands/rotate-key.ts'
import { updateCode } from '#commands/update-code.ts'
import { updateKey } from '#commands/update-key.ts'
import { DAY_MS, plusMs } from '#domain/instant.ts'
import { MANAGEMENT_PERMISSIONS } from '#domain/permission.ts'
import { createTestDatabase, type TestDatabase } from '#test/support/database.ts'
import {
  type MadeAccount,
  type MadeCaller,
  type MadeKey,
  type TestServices,
  testServices,
  tracesIn,
} from '#test/support/services.ts'
import type { AnyCommand } from './cases.ts'

const REFUSED = { code: 'GRANT_EXCEEDS_CALLER' }

let database: TestDatabase
let at: TestServices
let account: MadeAccount
let writer: MadeCaller
let somebody: string
beforeAll(async () => {
  database = await createTestDatabase()
  at = testServices(database.serving)
  account = await at.createAccount()
  writer = await at.createCaller(account, ['keys.write'])
  somebody = await at.addUser(account.accountId, { externalId: 'somebody' })
})
afterAll(() => database.drop())

type Asked = readonly [how: string, command: AnyCommand, inputFor: (key: MadeKey) => object]

const ask = <I extends CommonInput, R>(how: string, command: Command<I, R>, inputFor: Asked[2]): Asked => [
  how,
  command as AnyCommand,
  inputFor,
]

/** What returns, revives or strengthens a credential. */
const strengthening: readonly Asked[] = [
  ask('prolonged a little', updateKey, ({ keyId }) => ({ keyId, expiresAt: plusMs(at.clock.now(), 3 * DAY_MS) })),
  ask('given an owner', updateKey, ({ keyId }) => ({ keyId, ownerId: somebody })),
  ask('prolonged and renamed', updateKey, ({ keyId }) => ({ keyId, name: 'mine', expiresAt: null })),
  ask('prolonged', updateKey, ({ keyId }) => ({ keyId, expiresAt: null })),
  ask('enabled', enableKey, ({ keyId }) => ({ keyId })),
  ask('given a code', issueCode, ({ keyId }) => ({ keyId, slot: 'SECONDARY' })),
  ask('rotated', rotateKey, ({ keyId }) => ({ keyId, slot: 'PRIMARY', overlapSeconds: 60 })),
  ask('given back its code', enableCode, ({ codeIds }) => ({ codeId: codeIds[0] })),
]

/** What ends or describes one. */
const weakening: readonly Asked[] = [
  ask('renamed', updateKey, ({ keyId }) => ({ keyId, name: 'found in a log' })),
  ask('labelled', updateKey, ({ keyId }) => ({ keyId, description: 'd', tags: ['t'], metadata: { ticket: 1 } })),
  ask('logged', updateKey, ({ keyId }) => ({ keyId, logging: { request: true, response: true } })),
  ask('shortened', updateKey, ({ keyId }) => ({ keyId, expiresAt: plusMs(at.clock.now(), DAY_MS / 2) })),
  ask('described', updateCode, ({ codeIds }) => ({ codeId: codeIds[0], description: 'found in a log' })),
  ask('left without a code', deleteCode, ({ codeIds }) => ({ codeId: codeIds[0] })),
  ask('revoked', revokeKey, ({ keyId }) => ({ keyId, reason: 'KEY_COMPROMISE' })),
  ask('deleted', deleteKey, ({ keyId }) => ({ keyId, reason: 'KEY_COMPROMISE' })),
]

/** A management key that is off, and its code too, so that everything about it can be asked for. */
async function sleeping(permissions: readonly string[]): Promise<MadeKey> {
  const expiresAt = plusMs(at.clock.now(), DAY_MS)
  const made = await at.createKey(account.managementKeyspaceId, { permissions, expiresAt, enabled: false })
  await at.done(disableCode, { codeId: made.codeIds[0] })
  return made
}

const more: readonly (readonly [string, readonly string[]])[] = [
  ['everything', ['*']],
  ['one permission more', ['keys.write', 'keys.read']],
  ['a wildcard over its own', ['keys.*']],
  ['another permission', ['events.read']],
]

describe.each(more)('a caller with keys.write alone, before a management key that grants %s', (_what, permissions) => {
  test.each(strengthening)('cannot have it %s', async (_how, command, inputFor) => {
    const input = { ...inputFor(await sleeping(permissions)), idempotencyKey: 'escalation' }
    const before = await tracesIn(database.owner)
    expect(await at.refusal(command, input, writer.origin)).toEqual(REFUSED)
    expect(await tracesIn(database.owner)).toEqual(before)
  })

  test('cannot make one', async () => {
    const input = { keyspaceId: account.managementKeyspaceId, name: 'mine', permissions, idempotencyKey: 'escalation' }
    const before = await tracesIn(database.owner)
    for (const enabled of [true, false])
      for (const codes of [undefined, []])
        expect(await at.refusal(createKey, { ...input, enabled, codes }, writer.origin)).toEqual(REFUSED)
    expect(await tracesIn(database.owner)).toEqual(before)
  })

  test('cannot turn its own key, or one of its equals, into one', async () => {
    const equal = await at.createKey(account.managementKeyspaceId, { permissions: ['keys.write'] })
    const none = await at.createKey(account.managementKeyspaceId, { permissions: [] })
    for (const { keyId } of [writer, equal, none])
      expect(await at.refusal(updateKey, { keyId, permissions }, writer.origin)).toEqual(REFUSED)
  })

  test.each(weakening)('can have it %s', async (_how, command, inputFor) => {
    expect((await at.done(command, inputFor(await sleeping(permissions)), writer.origin)).eventIds).not.toEqual([])
  })

  test('can have it switched off', async () => {
    const { keyId, codeIds } = await at.createKey(account.managementKeyspaceId, { permissions })
    await at.done(disableCode, { codeId: codeIds[0] }, writer.origin)
    await at.done(disableKey, { keyId }, writer.origin)
  })

  test('can take from it what it grants beyond', async () => {
    const { keyId } = await sleeping(permissions)
    await at.done(updateKey, { keyId, permissions: ['keys.write'] }, writer.origin)
    await at.done(enableKey, { keyId }, writer.origin)
  })

  test('cannot have it act as nobody instead of somebody who may less', async () => {
    const keyspaceId = account.managementKeyspaceId
    const { keyId } = await at.createKey(keyspaceId, { permissions, ownerId: somebody, actsAs: 'somebody' })
    expect(await at.refusal(updateKey, { keyId, actsAs: null }, writer.origin)).toEqual(REFUSED)
  })

  test('can bound it where it never expired', async () => {
    const { keyId } = await at.createKey(account.managementKeyspaceId, { permissions })
    await at.done(updateKey, { keyId, expiresAt: plusMs(at.clock.now(), DAY_MS) }, writer.origin)
  })

  test('is told nothing by commands that have nothing to do', async () => {
    const { keyId } = await at.createKey(account.managementKeyspaceId, { permissions })
    expect((await at.done(enableKey, { keyId }, writer.origin)).eventIds).toEqual([])
  })
})

describe.each([
  ['keys.write', ['keys.write'], ['keys.write']],
  ['keys.write', ['keys.write'], []],
  ['all that the key grants', ['keys.write', 'events.read'], ['events.read', 'keys.write']],
  ['a wildcard over it', ['keys.*'], ['keys.write', 'keys.read', 'keys.*']],
  ['everything', ['*'], ['*']],
])('a caller with %s', (_what, held, granted) => {
  test.each(strengthening)('can have its equal %s', async (_how, command, inputFor) => {
    const caller = await at.createCaller(account, held)
    expect((await at.done(command, inputFor(await sleeping(granted)), caller.origin)).eventIds).toHaveLength(1)
  })

  test('can make its equal', async () => {
    const caller = await at.createCaller(account, held)
    const input = { keyspaceId: account.managementKeyspaceId, name: 'equal', enabled: true, permissions: granted }
    await at.done(createKey, input, caller.origin)
  })
})

describe('permissions', () => {
  test('that are all there are today do not add up to everything', async () => {
    const caller = await at.createCaller(account, MANAGEMENT_PERMISSIONS)
    const input = { keyspaceId: account.managementKeyspaceId, name: 'more', enabled: true, permissions: ['*'] }
    expect(await at.refusal(createKey, input, caller.origin)).toEqual(REFUSED)
  })

  test('of an application belong to it: keys.write alone grants them', async () => {
    const keyspaceId = await at.createKeyspace(account.accountId)
    const input = { keyspaceId, name: 'app', enabled: true, permissions: ['*'] }
    const { result } = await at.done(createKey, input, writer.origin)
    await at.done(rotateKey, { keyId: result.keyId, slot: 'PRIMARY', overlapSeconds: 0 }, writer.origin)
  })

  test('of root are unbounded', async () => {
    for (const [, command, inputFor] of strengthening) await at.done(command, inputFor(await sleeping(['*'])))
  })
})
