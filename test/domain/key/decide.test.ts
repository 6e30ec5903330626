// What the matrix of commands and states doesn't say: the content of facts, and what limits and expiries are measured by.
import { describe, test } from 'vitest'
import { INSTANT_MAX } from '#domain/instant.ts'
import type { CodeRequest, UpdateKey } from '#domain/key/commands.ts'
import type { KeyDetails, KeyFact } from '#domain/key/events.ts'
import type { KeyRefusal } from '#domain/key/refusals.ts'
import type { KeyspaceRules } from '#domain/keyspace/rules.ts'
import { at, givenFor } from '#test/support/given.ts'
import {
  BORN,
  codeDeleted,
  codeDisabled,
  create,
  created,
  DETAILS,
  days,
  deleteCode,
  deleted,
  issue,
  issued,
  keyDecider,
  NOW,
  oneCode,
  remove,
  request,
  revoke,
  revoked,
  rotate,
  rotated,
  rules,
  seconds,
  update,
} from './fixtures.ts'

const given = givenFor(keyDecider)
const tooLate = (latest: string | null): KeyRefusal => ({ code: 'EXPIRY_OUT_OF_RANGE', latest })
const codesFull = (liveCodesMax: number): KeyRefusal => ({ code: 'CODE_LIMIT_REACHED', liveCodesMax })
const keysFull = (activeKeysMax: number): KeyRefusal => ({ code: 'KEY_LIMIT_REACHED', activeKeysMax })

describe('CreateKey', () => {
  test('a key is made with its codes, PRIMARY first', () => {
    given()
      .when(create({ enabled: false, codes: [request('a'), request('b', { description: 'spare' })] }))
      .then([created({ enabled: false }), issued('a'), issued('b', { slot: 'SECONDARY', description: 'spare' })])
  })

  test('codes may name their slots', () => {
    given()
      .when(create({ codes: [request('a', { slot: 'SECONDARY' }), request('b')] }))
      .then([created(), issued('a', { slot: 'SECONDARY' }), issued('b')])
  })

  test('codes are limited as if they were issued one after the other', () => {
    given()
      .when(create({ codes: [request('a'), request('b'), request('c')] }))
      .thenRefused(codesFull(2))
    given()
      .when(create({ codes: [request('a', { slot: 'PRIMARY' }), request('b', { slot: 'PRIMARY' })] }))
      .thenRefused(codesFull(2))
    given()
      .when(create({ rules: rules({ liveCodesMax: 1 }), codes: [request('a'), request('b')] }))
      .thenRefused(codesFull(1))
  })

  test('one bad code refuses the whole key', () => {
    const codes = [request('a', { expiresAt: null }), request('b')]
    given()
      .when(create({ rules: rules({ expiryRequired: true }), codes }))
      .thenRefused({ code: 'EXPIRY_REQUIRED' })
  })

  test('a key is never born expired', () => {
    for (const expiresAt of [NOW, BORN]) {
      given()
        .when(create({ details: { ...DETAILS, expiresAt } }))
        .thenRefused(tooLate(null))
    }
    given()
      .when(create({ details: { ...DETAILS, expiresAt: seconds(1) } }))
      .then([created({ expiresAt: seconds(1) })])
  })

  test('the limit of active keys is exact', () => {
    const limited = rules({ activeKeysMax: 20 })
    given()
      .when(create({ rules: limited, activeKeyCount: 19 }))
      .then([created()])
    given()
      .when(create({ rules: limited, activeKeyCount: 20 }))
      .thenRefused(keysFull(20))
    // The limit may have been lowered below what there is.
    given()
      .when(create({ rules: limited, activeKeyCount: 25 }))
      .thenRefused(keysFull(20))
    given()
      .when(create({ activeKeyCount: 5_000_000 }))
      .then([created()])
  })
})

describe('UpdateKey', () => {
  const everything: KeyDetails = {
    name: 'other',
    description: 'what it is for',
    tags: ['prod', 'eu'],
    metadata: { team: 'payments', limits: [1, 2] },
    policyIds: ['policy-2'],
    permissions: [],
    ownerId: 'user-1',
    actsAsId: 'user-2',
    expiresAt: days(7),
    logging: { request: true, response: true },
  }

  test('every detail can be changed', () => {
    given(oneCode())
      .when(update(everything))
      .then([{ type: 'key.updated', data: everything }])
  })

  test('only what really changed is recorded', () => {
    given(oneCode())
      .when(
        update({
          ...DETAILS,
          tags: ['prod'],
          metadata: { team: 'payments' },
          logging: { response: false, request: false },
          name: 'other',
        }),
      )
      .then([{ type: 'key.updated', data: { name: 'other' } }])
    given(oneCode())
      .when(update({ name: undefined }))
      .then([])
  })

  test('null clears', () => {
    given(at(BORN, created({ description: 'old', expiresAt: days(1), metadata: 1 })))
      .when(update({ description: null, expiresAt: null, metadata: null }))
      .then([{ type: 'key.updated', data: { description: null, expiresAt: null, metadata: null } }])
  })

  test('a new expiry lies in the future', () => {
    given(oneCode())
      .when(update({ expiresAt: NOW }))
      .thenRefused(tooLate(null))
    given(oneCode())
      .when(update({ expiresAt: seconds(1) }))
      .then([{ type: 'key.updated', data: { expiresAt: seconds(1) } }])
  })

  test('the expiry of an expired key may stay while something else changes', () => {
    given(at(BORN, created({ expiresAt: NOW })))
      .when(update({ name: 'other', expiresAt: NOW }, { rules: rules({ activeKeysMax: 1 }), activeKeyCount: 1 }))
      .then([{ type: 'key.updated', data: { name: 'other' } }])
  })

  test('reviving an expired key counts against the limit of active keys', () => {
    const expired = at(BORN, created({ expiresAt: NOW }))
    const limited: Partial<UpdateKey> = { rules: rules({ activeKeysMax: 3 }), activeKeyCount: 3 }
    for (const expiresAt of [null, days(1)]) {
      given(expired).when(update({ expiresAt }, limited)).thenRefused(keysFull(3))
      given(expired)
        .when(update({ expiresAt }, { ...limited, activeKeyCount: 2 }))
        .then([{ type: 'key.updated', data: { expiresAt } }])
    }
    // A key that is active is among those counted.
    given(oneCode())
      .when(update({ expiresAt: days(1) }, limited))
      .then([{ type: 'key.updated', data: { expiresAt: days(1) } }])
  })
})

describe('IssueCode', () => {
  const both = at(BORN, created(), issued('a', { expiresAt: days(1) }), issued('b', { slot: 'SECONDARY' }))

  test('the first free slot is taken', () => {
    given(at(BORN, created()))
      .when(issue(request('x')))
      .then([issued('x')])
    given(oneCode())
      .when(issue(request('x')))
      .then([issued('x', { slot: 'SECONDARY' })])
    given(at(BORN, created(), issued('b', { slot: 'SECONDARY' })))
      .when(issue(request('x')))
      .then([issued('x')])
  })

  test('a third live code is refused, whichever slot is asked for', () => {
    for (const slot of [undefined, 'PRIMARY', 'SECONDARY'] as const) {
      given(both)
        .when(issue(request('x', { slot })))
        .thenRefused(codesFull(2))
    }
  })

  test('disabled codes hold their slots', () => {
    given(both, at(BORN, codeDisabled('a')))
      .when(issue(request('x')))
      .thenRefused(codesFull(2))
  })

  test('a slot that is taken is refused though the other is free', () => {
    given(oneCode())
      .when(issue(request('x', { slot: 'PRIMARY' })))
      .thenRefused(codesFull(2))
  })

  test('an expired or deleted code makes room in its slot', () => {
    given(at(BORN, created(), issued('a', { expiresAt: NOW }), issued('b', { slot: 'SECONDARY' })))
      .when(issue(request('x')))
      .then([issued('x')])
    given(both, at(BORN, codeDeleted('b')))
      .when(issue(request('x')))
      .then([issued('x', { slot: 'SECONDARY' })])
  })

  test('a slot is free again when the replacement is deleted, the retired code coming back or not', () => {
    given(oneCode(), at(BORN, rotated('a', 'b', days(1)), codeDeleted('b')))
      .when(issue(request('x', { slot: 'PRIMARY' })))
      .then([issued('x')])
  })

  test('where one code may be live there is no SECONDARY', () => {
    given(at(BORN, created()))
      .when(issue(request('x', { slot: 'SECONDARY' }), { liveCodesMax: 1 }))
      .thenRefused(codesFull(1))
    given(oneCode())
      .when(issue(request('x'), { liveCodesMax: 1 }))
      .thenRefused(codesFull(1))
  })

  test('a lowered limit counts what is live in either slot', () => {
    given(both, at(BORN, codeDeleted('a')))
      .when(issue(request('x'), { liveCodesMax: 1 }))
      .thenRefused(codesFull(1))
  })

  test('a code in overlap takes no room', () => {
    given(oneCode(), at(BORN, rotated('a', 'b', days(1))))
      .when(issue(request('x')))
      .then([issued('x', { slot: 'SECONDARY' })])
  })
})

// The same for codes that are made with a key, issued or rotated in.
describe('the expiry of a new code', () => {
  const year = { codeLifetimeDays: 365, codeLifetimeDaysMax: 365 }
  type Case = readonly [string, Partial<KeyspaceRules>, CodeRequest['expiresAt'], string | null | KeyRefusal]
  const cases: readonly Case[] = [
    ['none asked for, none set: never', {}, undefined, null],
    ['none asked for: the default', { codeLifetimeDays: 30, codeLifetimeDaysMax: 365 }, undefined, days(30)],
    ['none asked for: the default, without a longest', { codeLifetimeDays: 30 }, undefined, days(30)],
    ['none asked for, no default: the longest', { codeLifetimeDaysMax: 90 }, undefined, days(90)],
    ['none asked for where one must be', { ...year, expiryRequired: true }, undefined, { code: 'EXPIRY_REQUIRED' }],
    ['never, where one must be said', { expiryRequired: true }, null, null],
    ['never, with a default', { codeLifetimeDays: 30 }, null, null],
    ['never, with a longest', { codeLifetimeDaysMax: 90 }, null, tooLate(days(90))],
    ['the longest itself', year, days(365), days(365)],
    ['a moment beyond the longest', year, seconds(365 * 86_400 + 1), tooLate(days(365))],
    ['beyond the default', { codeLifetimeDays: 30, codeLifetimeDaysMax: 60 }, days(60), days(60)],
    ['any, without a longest', {}, INSTANT_MAX, INSTANT_MAX],
    ['a moment from now', {}, seconds(1), seconds(1)],
    ['now', {}, NOW, tooLate(null)],
    ['now, with a longest', year, NOW, tooLate(days(365))],
    ['past', {}, BORN, tooLate(null)],
  ]
  for (const [name, changes, expiresAt, expected] of cases) {
    test(name, () => {
      const asked = request('x', { expiresAt })
      const made = [
        given().when(create({ rules: rules(changes), codes: [asked] })),
        given(at(BORN, created())).when(issue(asked, changes)),
        given(oneCode()).when(rotate(asked, { rules: rules(changes) })),
      ] as const
      if (expected !== null && typeof expected === 'object') {
        for (const decision of made) decision.thenRefused(expected)
      } else {
        made[0].then([created(), issued('x', { expiresAt: expected })])
        made[1].then([issued('x', { expiresAt: expected })])
        made[2].then([rotated('a', 'x', null, { expiresAt: expected })])
      }
    })
  }
})

describe('RotateKey', () => {
  test('the newest code of the slot is replaced, the other slot left alone', () => {
    given(at(BORN, created(), issued('a'), issued('b', { slot: 'SECONDARY' }), rotated('a', 'c')))
      .when(rotate(request('x', { description: 'new' })))
      .then([rotated('c', 'x', null, { description: 'new' })])
  })

  test('a slot with no code, or whose newest is deleted, is empty', () => {
    given(oneCode())
      .when(rotate(request('x'), { slot: 'SECONDARY' }))
      .thenRefused({ code: 'SLOT_EMPTY', slot: 'SECONDARY' })
    given(oneCode(), at(BORN, rotated('a', 'b', days(1)), codeDeleted('b')))
      .when(rotate(request('x')))
      .thenRefused({ code: 'SLOT_EMPTY', slot: 'PRIMARY' })
  })

  test('the overlap ends when it was asked to, yet never after the old code', () => {
    const rotation = rotate(request('x'), { overlapSeconds: 3_600 })
    given(oneCode())
      .when(rotation)
      .then([rotated('a', 'x', seconds(3_600))])
    given(oneCode({ expiresAt: days(1) }))
      .when(rotation)
      .then([rotated('a', 'x', seconds(3_600))])
    given(oneCode({ expiresAt: seconds(3_599) }))
      .when(rotation)
      .then([rotated('a', 'x', seconds(3_599))])
  })

  test('an overlap of 0 stops the old code at once', () => {
    given(oneCode({ expiresAt: days(1) }))
      .when(rotate(request('x')))
      .then([rotated('a', 'x', null)])
  })

  test('an expired code is replaced without an overlap', () => {
    given(oneCode({ expiresAt: NOW }))
      .when(rotate(request('x'), { overlapSeconds: 60 }))
      .then([rotated('a', 'x', null)])
  })

  test('a disabled code gets no overlap', () => {
    given(oneCode(), at(BORN, codeDisabled('a')))
      .when(rotate(request('x'), { overlapSeconds: 60 }))
      .then([rotated('a', 'x', null)])
  })

  test('a disabled or expired key can be rotated', () => {
    given(at(BORN, created({ enabled: false, expiresAt: NOW }), issued('a')))
      .when(rotate(request('x')))
      .then([rotated('a', 'x')])
  })

  test('a live code can be replaced though the limit was lowered below what there is', () => {
    const both = at(BORN, created(), issued('a'), issued('b', { slot: 'SECONDARY' }))
    given(both)
      .when(rotate(request('x'), { slot: 'SECONDARY', rules: rules({ liveCodesMax: 1 }) }))
      .then([rotated('b', 'x', null, { slot: 'SECONDARY' })])
  })

  test('replacing an expired code is refused where it would be one live code too many', () => {
    const halfExpired = at(BORN, created(), issued('a'), issued('b', { slot: 'SECONDARY', expiresAt: NOW }))
    const rotation = rotate(request('x'), { slot: 'SECONDARY' })
    given(halfExpired)
      .when({ ...rotation, rules: rules({ liveCodesMax: 1 }) })
      .thenRefused(codesFull(1))
    given(halfExpired)
      .when(rotation)
      .then([rotated('b', 'x', null, { slot: 'SECONDARY' })])
  })

  test('an expired SECONDARY is not revived as a slot where only one code may be live', () => {
    given(at(BORN, created(), issued('b', { slot: 'SECONDARY', expiresAt: NOW })))
      .when(rotate(request('x'), { slot: 'SECONDARY', rules: rules({ liveCodesMax: 1 }) }))
      .thenRefused(codesFull(1))
  })
})

describe('RevokeKey and DeleteKey', () => {
  test('revoking says why; a second time changes nothing of it', () => {
    given(oneCode()).when(revoke).then([revoked])
    given(oneCode(), at(BORN, revoked)).when({ type: 'RevokeKey', reason: 'SUPERSEDED', note: null }).then([])
  })

  test('deleting revokes first, for the reason given', () => {
    given(oneCode()).when(remove).then([revoked, deleted])
    given(oneCode(), at(BORN, revoked)).when({ type: 'DeleteKey', reason: 'SUPERSEDED', note: null }).then([deleted])
  })
})

describe('UpdateCode and DeleteCode', () => {
  test('the description is set, cleared, or left', () => {
    const described = oneCode({ description: 'old' })
    const fact = (description: string | null): KeyFact => ({ type: 'code.updated', data: { codeId: 'a', description } })
    given(described)
      .when({ type: 'UpdateCode', codeId: 'a', description: 'new' })
      .then([fact('new')])
    given(described)
      .when({ type: 'UpdateCode', codeId: 'a', description: null })
      .then([fact(null)])
    given(described).when({ type: 'UpdateCode', codeId: 'a', description: 'old' }).then([])
    given(described).when({ type: 'UpdateCode', codeId: 'a' }).then([])
  })

  test('WHEN_DISABLED spares a code that still opens something', () => {
    given(oneCode())
      .when(deleteCode('a', { codeDeletion: 'WHEN_DISABLED' }))
      .thenRefused({ code: 'CODE_ENABLED' })
    given(oneCode(), at(BORN, codeDisabled('a')))
      .when(deleteCode('a', { codeDeletion: 'WHEN_DISABLED' }))
      .then([codeDeleted('a')])
  })
})
