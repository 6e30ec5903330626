import { describe, expect, test } from 'vitest'
import { covers, MANAGEMENT_PERMISSIONS } from '#domain/permission.ts'
import type { AddUser, UpdateUser, UserCommand } from '#domain/user/commands.ts'
import { decideUser } from '#domain/user/decide.ts'
import type { UserFact } from '#domain/user/events.ts'
import type { UserRefusal } from '#domain/user/refusals.ts'
import { permissionsOfRole, ROLES } from '#domain/user/roles.ts'
import { evolveUser, initialUser, type UserState } from '#domain/user/state.ts'
import { at, type Decider, fold, givenFor } from '#test/support/given.ts'

const decider: Decider<UserCommand, UserState, UserFact, UserRefusal> = {
  initial: initialUser,
  evolve: evolveUser,
  decide: decideUser,
}
const given = givenFor(decider)

const ADD: AddUser = {
  type: 'AddUser',
  role: 'MEMBER',
  permissions: undefined,
  externalIdTaken: false,
  callerHoldsRole: true,
}
const UPDATE: UpdateUser = {
  type: 'UpdateUser',
  role: undefined,
  permissions: undefined,
  displayNameChanges: false,
  callerHoldsRole: true,
}
const added: UserFact = { type: 'user.added', data: { role: 'MEMBER', permissions: ['ads.read'] } }
const removed: UserFact = { type: 'user.removed', data: {} }
const THEN = at('2026-01-01T00:00:00.000Z', added)
const LATER = at('2026-02-01T00:00:00.000Z', removed)

describe('a user who is added', () => {
  test.each(ROLES)('as %s may do everything in the application, or nothing, unless told otherwise', (role) => {
    const permissions = role === 'ADMINISTRATOR' ? ['*'] : []
    given()
      .when({ ...ADD, role })
      .then([{ type: 'user.added', data: { role, permissions } }])
    given()
      .when({ ...ADD, role, permissions: ['a.b'] })
      .then([{ type: 'user.added', data: { role, permissions: ['a.b'] } }])
    given()
      .when({ ...ADD, role, permissions: [] })
      .then([{ type: 'user.added', data: { role, permissions: [] } }])
  })

  test('must be the only one with the external id', () => {
    given()
      .when({ ...ADD, externalIdTaken: true })
      .thenRefused({ code: 'NAME_IN_USE' })
  })

  test('gets no role that the caller does not hold, and the caller does not learn whether the name is taken', () => {
    for (const externalIdTaken of [false, true])
      given()
        .when({ ...ADD, externalIdTaken, callerHoldsRole: false })
        .thenRefused({ code: 'GRANT_EXCEEDS_CALLER' })
  })

  test('is not added twice', () => {
    given(THEN).when(ADD).thenImpossible('a stream is created once')
  })
})

describe('a user who is updated', () => {
  test('gets what changes, and nothing else is told', () => {
    given(THEN)
      .when({ ...UPDATE, role: 'MEMBER', permissions: ['ads.write'] })
      .then([{ type: 'user.updated', data: { permissions: ['ads.write'] } }])
    given(THEN)
      .when({ ...UPDATE, role: 'AUDITOR', permissions: ['ads.read'] })
      .then([{ type: 'user.updated', data: { role: 'AUDITOR' } }])
  })

  test('by the display name alone has an event that does not tell it', () => {
    given(THEN)
      .when({ ...UPDATE, displayNameChanges: true })
      .then([{ type: 'user.updated', data: {} }])
  })

  test('by nothing has no event', () => {
    given(THEN)
      .when({ ...UPDATE, role: 'MEMBER', permissions: ['ads.read'] })
      .then([])
  })

  test('gets no role that the caller does not hold, but keeps one, whoever asks', () => {
    given(THEN)
      .when({ ...UPDATE, role: 'ADMINISTRATOR', callerHoldsRole: false })
      .thenRefused({ code: 'GRANT_EXCEEDS_CALLER' })
    given(THEN)
      .when({ ...UPDATE, role: 'MEMBER', permissions: ['*'], callerHoldsRole: false })
      .then([{ type: 'user.updated', data: { permissions: ['*'] } }])
  })

  test('must be there', () => {
    given(THEN, LATER).when(UPDATE).thenImpossible('only a user who is there is updated')
    given().when(UPDATE).thenImpossible('only a user who is there is updated')
  })
})

describe('a user who is removed', () => {
  test('is removed once', () => {
    given(THEN).when({ type: 'RemoveUser' }).then([removed])
    given(THEN, LATER).when({ type: 'RemoveUser' }).then([])
    given().when({ type: 'RemoveUser' }).thenImpossible('only an existing user is removed')
  })

  test('never comes back', () => {
    const updated: UserFact = { type: 'user.updated', data: { role: 'ADMINISTRATOR' } }
    for (const fact of [updated, removed, added])
      expect(() => fold(decider, [...THEN, ...LATER, ...at('2026-03-01T00:00:00.000Z', fact)])).toThrow('Invariant')
  })
})

describe('roles', () => {
  const may = (role: (typeof ROLES)[number]) =>
    MANAGEMENT_PERMISSIONS.filter((permission) => covers(permissionsOfRole(role), permission))

  test('permit what the design says', () => {
    expect(may('ADMINISTRATOR')).toEqual(MANAGEMENT_PERMISSIONS)
    expect(may('AUDITOR')).toEqual(['accounts.read', 'keys.read', 'events.read', 'logs.read'])
    expect(may('VERIFIER')).toEqual(['keys.verify'])
    expect(may('MEMBER')).toEqual(['keys.read', 'keys.write', 'secrets.reveal'])
  })

  test('let an auditor read everything there is to read, and change nothing', () => {
    expect(may('AUDITOR')).toEqual(MANAGEMENT_PERMISSIONS.filter((permission) => permission.endsWith('.read')))
  })
})
