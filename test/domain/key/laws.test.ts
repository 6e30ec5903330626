// What holds for a key whatever is asked of it, in any order and at any time.
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Instant, plusMs } from '#domain/instant.ts'
import { inOverlap, isLive, newestOfSlot } from '#domain/key/code-status.ts'
import type { KeyCommand } from '#domain/key/commands.ts'
import { decideKey } from '#domain/key/decide.ts'
import { liveCount } from '#domain/key/decide-issue.ts'
import { isActive, standingOf } from '#domain/key/key-status.ts'
import { type Code, type ExistingKey, evolveKey, initialKey, type KeyState } from '#domain/key/state.ts'
import { judge } from '#domain/verdict.ts'
import { at } from '#test/support/given.ts'
import { BORN, create, DETAILS, remove, revoke, rules, SLOTS, seconds, update } from './fixtures.ts'
import { anyRules, anyStep, anySteps, live, type Moment, notFinal, type Step } from './random-life.ts'

const opens = (key: ExistingKey, code: Code, now: Instant): boolean =>
  judge(
    { code, key: { ...standingOf(key), grants: [], actsAs: null }, upstreamUserRequired: false },
    { permission: null, endpoint: null, hasUpstreamUser: false },
    now,
  ).code === 'VALID'

/** Every instant at which a verdict about the key may turn, and the moments beside it. */
function turns(key: ExistingKey): readonly Instant[] {
  const ends = [
    key.createdAt,
    key.updatedAt,
    key.expiresAt,
    ...key.codes.flatMap((c) => [c.expiresAt, c.overlapEndsAt]),
  ]
  const instants = new Set(ends.filter((end) => end !== null))
  return [...instants].flatMap((end) => [plusMs(end, -1), end, plusMs(end, 1)])
}

/** Checks every moment of many random lives. */
function always(law: (moment: Moment) => void): void {
  fc.assert(
    fc.property(anySteps, (steps) => live(steps).forEach(law)),
    { numRuns: 300 },
  )
}

describe('revocation', () => {
  const kinds = fc.constantFrom<Step['kind'][]>(['RevokeKey'], ['DeleteKey'], ['RevokeKey', 'DeleteKey'])

  test('a revoked key is never valid again, by any clock, whatever is asked of it afterwards', () => {
    fc.assert(
      fc.property(anySteps, kinds, anyStep, anySteps, (before, finals, step, after) => {
        const until = notFinal(before)
        const end = finals.map((kind) => ({ ...step, kind }))
        const revokedFrom = live([...until, ...end]).length - 1
        const moments = live([...until, ...end, ...after]).slice(revokedFrom)
        for (const { after: key } of moments) {
          expect(key.status).not.toBe('active')
          for (const now of turns(key)) expect(key.codes.some((code) => opens(key, code, now))).toBe(false)
        }
      }),
    )
  })

  test('only its deletion changes a revoked key, and nothing a deleted one', () => {
    always(({ command, before, after }) => {
      if (before.status === 'deleted') expect(after).toBe(before)
      if (before.status === 'revoked' && command.type !== 'DeleteKey') expect(after).toBe(before)
      if (before.status === 'revoked')
        expect(after).toMatchObject({ revocation: before.revocation, codes: before.codes })
    })
  })

  test('a deleted code is never valid again, by any clock', () => {
    always(({ after }) => {
      const gone = after.codes.filter((code) => code.deletedAt !== null)
      for (const now of gone.length > 0 ? turns(after) : []) {
        expect(gone.some((code) => opens(after, code, now) || isLive(code, now))).toBe(false)
      }
    })
  })
})

describe('limits', () => {
  test('under constant rules no more than liveCodesMax codes are ever live', () => {
    fc.assert(
      fc.property(anyRules, anySteps, (constant, steps) => {
        for (const { after, now } of live(notFinal(steps), constant)) {
          expect(liveCount(after.codes, now)).toBeLessThanOrEqual(constant.liveCodesMax)
        }
      }),
    )
  })

  test('whatever becomes of the rules, no command brings the live codes above what they say then', () => {
    always(({ command, before, after, now }) => {
      if (before.status === 'none' || !('rules' in command)) return
      const count = liveCount(after.codes, now)
      if (count > liveCount(before.codes, now)) expect(count).toBeLessThanOrEqual(command.rules.liveCodesMax)
    })
  })

  test('no more than activeKeysMax keys of a keyspace are ever active', () => {
    const hours = fc.integer({ min: 0, max: 5 })
    const step = fc.record({
      kind: fc.constantFrom('CreateKey', 'CreateKey', 'UpdateKey', 'UpdateKey', 'DisableKey', 'RevokeKey', 'DeleteKey'),
      wait: hours,
      lifetime: fc.option(hours),
      key: fc.nat(),
    })
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 3 }),
        fc.array(step, { maxLength: 40, size: 'max' }),
        (activeKeysMax, steps) => {
          const keys: ExistingKey[] = []
          let now: Instant = BORN
          for (const { kind, wait, lifetime, key } of steps) {
            now = seconds(wait * 3_600, now)
            const expiresAt = lifetime === null ? null : seconds(lifetime * 3_600, now)
            const activeKeyCount = keys.filter((other) => isActive(standingOf(other), now)).length
            const asked = { now, rules: rules({ activeKeysMax }), activeKeyCount }
            const index = kind === 'CreateKey' ? keys.length : key % Math.max(1, keys.length)
            const state = keys[index] ?? initialKey
            if (kind !== 'CreateKey' && state.status === 'none') continue
            const commands: { readonly [Kind in typeof kind]: KeyCommand } = {
              CreateKey: create({ ...asked, details: { ...DETAILS, expiresAt } }),
              UpdateKey: update({ expiresAt }, asked),
              DisableKey: { type: 'DisableKey' },
              RevokeKey: revoke,
              DeleteKey: remove,
            }
            const decision = decideKey(commands[kind], state)
            if (decision.kind === 'refused') continue
            const after = at(now, ...decision.facts).reduce<KeyState>(evolveKey, state)
            if (after.status !== 'none') keys[index] = after
            expect(keys.filter((one) => isActive(standingOf(one), now)).length).toBeLessThanOrEqual(activeKeysMax)
          }
        },
      ),
      { numRuns: 300 },
    )
  })

  test('whatever becomes of the rules, a slot has at most one live code, its newest', () => {
    always(({ after, now }) => {
      for (const code of after.codes.filter((candidate) => isLive(candidate, now))) {
        expect(newestOfSlot(after.codes, code.slot)).toBe(code)
      }
    })
  })

  test('under constant rules no code outlives the longest lifetime', () => {
    fc.assert(
      fc.property(anyRules, anySteps, (constant, steps) => {
        const moments = live(notFinal(steps), constant)
        const { codeLifetimeDaysMax } = constant
        for (const code of codeLifetimeDaysMax === null ? [] : moments.at(-1)!.after.codes) {
          expect(code.expiresAt! > code.issuedAt).toBe(true)
          expect(code.expiresAt! <= plusMs(code.issuedAt, codeLifetimeDaysMax! * 86_400_000)).toBe(true)
        }
      }),
    )
  })
})

describe('rotation', () => {
  test('a slot has at most one overlap', () => {
    always(({ after, now }) => {
      for (const slot of SLOTS) {
        const running = after.codes.filter((code) => code.slot === slot && inOverlap(code, now))
        expect(running.length).toBeLessThanOrEqual(1)
      }
    })
  })

  test('an overlap never outlives the old code, and only an enabled code has one', () => {
    always(({ after, now }) => {
      for (const code of after.codes.filter((candidate) => candidate.overlapEndsAt !== null)) {
        expect(code.replacedAt).not.toBeNull()
        if (code.expiresAt !== null) expect(code.overlapEndsAt! <= code.expiresAt).toBe(true)
        if (inOverlap(code, now)) expect(code.enabled).toBe(true)
      }
    })
  })

  test('no old code opens anything for longer than before, unless it or its key is switched on or the key is given longer', () => {
    always(({ command, before, after, now }) => {
      if (before.status === 'none' || before === after) return
      if (['EnableKey', 'EnableCode', 'UpdateKey'].includes(command.type)) return
      const instants = [...turns(before), ...turns(after)].filter((instant) => instant >= now)
      for (const [index, code] of before.codes.entries()) {
        const later = after.codes[index]!
        if (later === code && after.status === before.status && after.enabled === before.enabled) continue
        for (const instant of instants)
          expect(opens(after, later, instant) && !opens(before, code, instant)).toBe(false)
      }
    })
  })

  test('what was replaced stays replaced, and its overlap only ever shrinks', () => {
    always(({ before, after }) => {
      for (const [index, code] of before.status === 'none' ? [] : before.codes.entries()) {
        const later = after.codes[index]!
        expect(later.codeId).toBe(code.codeId)
        if (code.replacedAt === null) continue
        expect([later.replacedAt, later.replacedById]).toEqual([code.replacedAt, code.replacedById])
        const grown =
          later.overlapEndsAt !== null && (code.overlapEndsAt === null || later.overlapEndsAt > code.overlapEndsAt)
        expect(grown).toBe(false)
      }
    })
  })

  test('the chain is complete: each replaced code has one rotation, and following them ends at one that is not', () => {
    fc.assert(
      fc.property(anySteps, (steps) => {
        const { codes, rotations } = live(notFinal(steps)).at(-1)!.after
        const byId = new Map(codes.map((code) => [code.codeId, code]))
        expect(byId.size).toBe(codes.length)
        const replaced = codes.filter((code) => code.replacedAt !== null)
        expect(rotations.map(({ retiredCodeId }) => retiredCodeId).sort()).toEqual(replaced.map((c) => c.codeId).sort())
        expect(new Set(rotations.map(({ rotationId }) => rotationId)).size).toBe(rotations.length)
        for (const { retiredCodeId, replacementCodeId, slot, rotatedAt } of rotations) {
          expect(byId.get(retiredCodeId)).toMatchObject({
            replacedById: replacementCodeId,
            slot,
            replacedAt: rotatedAt,
          })
          expect(byId.get(replacementCodeId)).toMatchObject({ slot, issuedAt: rotatedAt })
        }
        for (const code of codes) {
          let current = code
          for (let hops = 0; current.replacedById !== null; hops += 1) {
            expect(hops).toBeLessThan(codes.length)
            current = byId.get(current.replacedById)!
          }
          expect(current.replacedAt).toBeNull()
        }
      }),
    )
  })
})

describe('events', () => {
  test('codes that a command leaves alone keep their identity, and none goes away', () => {
    always(({ before, after }) => {
      if (before.status === 'none') return
      expect(after.codes.length).toBeGreaterThanOrEqual(before.codes.length)
      for (const [index, code] of before.codes.entries()) {
        const later = after.codes[index]!
        const same = Object.entries(code).every(([name, value]) => later[name as keyof Code] === value)
        expect(later === code).toBe(same)
      }
    })
  })

  test('a command that was refused, or found its end reached, changes nothing; any other moves updatedAt', () => {
    // What is shown stays as it was, though it is an event.
    always(({ command, decision, before, after, now }) => {
      const idle = decision.kind === 'refused' || decision.facts.length === 0 || command.type === 'RevealCode'
      if (idle) expect(after).toBe(before)
      else expect([after === before, after.updatedAt]).toEqual([false, now])
    })
  })

  test('asked again at once, a command that only names an end makes no event', () => {
    const ends = [
      'UpdateKey',
      'EnableKey',
      'DisableKey',
      'RevokeKey',
      'DeleteKey',
      'UpdateCode',
      'EnableCode',
      'DeleteCode',
    ]
    always(({ command, decision, after }) => {
      if (decision.kind === 'refused') return
      if (!ends.includes(command.type)) return
      // After a revocation even what would change nothing is refused, yet no event either.
      expect(decideKey(command, after)).toEqual({ kind: 'accepted', facts: [] })
    })
  })
})

test('what a key that has been frozen grants never changes, whatever becomes of the rules', () => {
  fc.assert(
    fc.property(anySteps, (steps) => {
      for (const { before, after } of live(steps)) {
        if (before.status === 'none' || before.frozenPolicies === null) continue
        const { policyIds, permissions, actsAsId, frozenPolicies } = before
        expect(after).toMatchObject({ policyIds, permissions, actsAsId, frozenPolicies })
      }
    }),
  )
})

test('what a key frozen at its creation grants never changes, whatever becomes of the rules', () => {
  fc.assert(
    fc.property(anySteps, (steps) => {
      for (const { before, after } of live(steps, undefined, rules({ authorizations: 'FROZEN' }))) {
        if (before.status === 'none') continue
        const { policyIds, permissions, frozenPolicies } = before
        expect(after).toMatchObject({ policyIds, permissions, frozenPolicies })
      }
    }),
  )
})

// A generator that never gets a key into trouble would make every law above hold.
test('random lives meet every fact and every refusal there is', () => {
  const met = new Set<string>()
  fc.assert(
    fc.property(anySteps, (steps) => {
      for (const { decision } of live(steps)) {
        if (decision.kind === 'refused') met.add(decision.refusal.code)
        else for (const fact of decision.facts) met.add(fact.type)
      }
    }),
    { seed: 20_260_301, numRuns: 200 },
  )
  const facts = readFileSync('src/domain/key/events.ts', 'utf8').matchAll(/Fact<\s*'([\w.]+)'/g)
  const refusals = readFileSync('src/domain/key/refusals.ts', 'utf8').matchAll(/readonly code: '(\w+)'/g)
  const all = Array.from([...facts, ...refusals], (match) => match[1])
  expect(all.length).toBeGreaterThanOrEqual(21)
  expect([...met].sort()).toEqual(all.sort())
})
