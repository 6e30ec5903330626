import { describe, expect, test } from 'vitest'
import {
  type ActingUser,
  actorOf,
  type Caller,
  callerOfUser,
  credentialOf,
  DenialError,
  holdsAll,
  mayDo,
} from '#domain/caller.ts'
import { MANAGEMENT_PERMISSIONS } from '#domain/permission.ts'
import { permissionsOfRole, ROLES } from '#domain/user/roles.ts'

const root: Caller = { kind: 'ROOT' }
const key = (...permissions: readonly string[]): Caller => ({
  kind: 'KEY',
  keyId: 'key-1',
  codeId: 'code-1',
  accountId: 'account-1',
  permissions,
})

describe('what a caller may do', () => {
  test('root and a holder of * everything', () => {
    for (const permission of MANAGEMENT_PERMISSIONS) {
      expect(mayDo(root, permission)).toBe(true)
      expect(mayDo(key('*'), permission)).toBe(true)
    }
  })

  test('a key what it is granted, and nothing by default', () => {
    expect(mayDo(key('keys.read'), 'keys.read')).toBe(true)
    expect(mayDo(key('keys.*'), 'keys.write')).toBe(true)
    expect(mayDo(key('keys.read'), 'keys.write')).toBe(false)
    for (const permission of MANAGEMENT_PERMISSIONS) expect(mayDo(key(), permission)).toBe(false)
  })
})

describe('nobody mints more than they hold', () => {
  test('root holds all', () => expect(holdsAll(root, ['*', 'keys.write'])).toBe(true))

  test('a key holds what it is granted, wildcards only where its own are as wide', () => {
    expect(holdsAll(key('keys.*'), ['keys.read', 'keys.*'])).toBe(true)
    expect(holdsAll(key('keys.*'), ['keys.read', 'logs.read'])).toBe(false)
    expect(holdsAll(key('keys.*'), ['*'])).toBe(false)
    expect(holdsAll(key(...MANAGEMENT_PERMISSIONS), ['*'])).toBe(false)
    expect(holdsAll(key('keys.read', 'keys.write', 'keys.verify'), ['keys.*'])).toBe(false)
    expect(holdsAll(key(), [])).toBe(true)
  })
})

describe('a user who calls', () => {
  const user = (changes: Partial<ActingUser> = {}): ActingUser => ({
    userId: 'user-1',
    accountId: 'account-1',
    role: 'AUDITOR',
    permissions: ['ads.read'],
    removed: false,
    ...changes,
  })

  const by = (...granted: readonly string[]) => ({ keyId: 'key-1', codeId: 'code-1', granted })

  test.each(ROLES)('by themselves may do what goes with the role %s', (role) => {
    expect(callerOfUser(user({ role }), null)).toEqual({
      kind: 'USER',
      userId: 'user-1',
      by: null,
      accountId: 'account-1',
      role,
      permissions: permissionsOfRole(role),
      applicationPermissions: ['ads.read'],
    })
  })

  test.each([
    ['AUDITOR', ['*'], permissionsOfRole('AUDITOR')],
    ['AUDITOR', ['keys.*', 'links.write'], ['keys.read']],
    ['ADMINISTRATOR', ['keys.*'], ['keys.*']],
    ['VERIFIER', ['keys.read'], []],
    ['MEMBER', ['*'], permissionsOfRole('MEMBER')],
  ] as const)('as %s by a key that grants %j may do what both permit', (role, granted, permissions) => {
    expect(callerOfUser(user({ role }), by(...granted))?.permissions).toEqual(permissions)
  })

  test('is nobody once removed, whatever a key grants', () => {
    expect(callerOfUser(user({ removed: true }), null)).toBeUndefined()
    expect(callerOfUser(user({ role: 'ADMINISTRATOR', removed: true }), by('*'))).toBeUndefined()
  })

  test('is an actor of the log by their own id, with the credential of the key that acts as them', () => {
    const caller = callerOfUser(user(), by('*'))
    expect(caller && actorOf(caller)).toEqual({ kind: 'USER', id: 'user-1' })
    expect(caller && credentialOf(caller)).toEqual({ keyId: 'key-1', codeId: 'code-1' })
  })

  test('by themselves has none', () => {
    const caller = callerOfUser(user(), null)
    expect(caller && credentialOf(caller)).toBeNull()
  })
})

test('a caller is an actor of the log', () => {
  expect(actorOf(root)).toEqual({ kind: 'ROOT', id: null })
  expect(actorOf(key('*'))).toEqual({ kind: 'KEY', id: 'key-1' })
  expect(credentialOf(root)).toBeNull()
  expect(credentialOf(key('*'))).toEqual({ keyId: 'key-1', codeId: 'code-1' })
})

test('a denial says which it is and no more', () => {
  const denial = new DenialError('FORBIDDEN')
  expect(denial).toBeInstanceOf(Error)
  expect([denial.name, denial.code]).toEqual(['DenialError', 'FORBIDDEN'])
  expect(denial.message).not.toBe(new DenialError('UNAUTHENTICATED').message)
})
