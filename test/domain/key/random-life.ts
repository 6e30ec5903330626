// Random lives of a key: commands in any order under a moving clock. A step says what to ask in relative terms (the n-th
// code, so long from now), so that every step means something whatever came before it, and shrinks on its own.
import fc from 'fast-check'
import type { Decision, Recorded } from '#domain/event.ts'
import type { PolicyGrant } from '#domain/grant.ts'
import { DAY_MS, type Instant, plusMs } from '#domain/instant.ts'
import type { CodeRequest, KeyCommand, OwnSecret } from '#domain/key/commands.ts'
import { decideKey } from '#domain/key/decide.ts'
import type { CodeSlot, KeyFact } from '#domain/key/events.ts'
import type { KeyRefusal } from '#domain/key/refusals.ts'
import { type ExistingKey, evolveKey, initialKey, type KeyState } from '#domain/key/state.ts'
import { DEFAULT_RULES, type KeyspaceRules } from '#domain/keyspace/rules.ts'
import { SOMEONE } from '#test/support/given.ts'
import { BORN, create, DETAILS, request } from './fixtures.ts'

type Kind = Exclude<KeyCommand['type'], 'CreateKey'>

export type Step = {
  readonly waitMs: number
  readonly kind: Kind
  /** Counted from the newest, modulo as many as there are. */
  readonly codeFromNewest: number
  readonly slot: CodeSlot | undefined
  /** Of the new code or of the key: so long from now, null for never, undefined for not said. */
  readonly lifetimeMs: number | null | undefined
  readonly overlapSeconds: number
  readonly activeKeyCount: number
  readonly policyIds: readonly string[] | undefined
  readonly text: string
  /** Of the new code; undefined where it is generated. */
  readonly ownerId: string | undefined
  readonly ownSecret: OwnSecret | undefined
  /** Instead of those the life began with, where rules may change. */
  readonly rules: KeyspaceRules
}

/** One command of a life: what it found, what was decided, and what became of it. */
export type Moment = {
  readonly command: KeyCommand
  readonly now: Instant
  readonly before: KeyState
  readonly decision: Decision<KeyFact, KeyRefusal>
  readonly after: ExistingKey
}

const HOUR_MS = 3_600_000
/** The final ones seldom: most of a life is to be lived. */
const kinds: { readonly [K in Kind]: number } = {
  RotateKey: 18,
  IssueCode: 15,
  DeleteCode: 9,
  DisableCode: 9,
  EnableCode: 6,
  UpdateKey: 6,
  UpdateCode: 3,
  FreezeKey: 1,
  EnableKey: 3,
  DisableKey: 3,
  RevealCode: 6,
  RevokeKey: 1,
  DeleteKey: 1,
}

export const anyRules: fc.Arbitrary<KeyspaceRules> = fc
  .record({
    liveCodesMax: fc.constantFrom(1, 2),
    longest: fc.option(fc.integer({ min: 1, max: 4 })),
    shorter: fc.option(fc.integer({ min: 0, max: 3 })),
    expiryRequired: fc.boolean(),
    customSecrets: fc.boolean(),
    secretDisplay: fc.constantFrom('ONCE', 'REVEALABLE'),
    codeDeletion: fc.constantFrom('ALWAYS', 'WHEN_DISABLED'),
    authorizations: fc.constantFrom('EDITABLE', 'EDITABLE', 'FROZEN'),
    policyRequired: fc.boolean(),
    activeKeysMax: fc.option(fc.integer({ min: 1, max: 3 })),
    defaultKeys: fc.boolean(),
  })
  .map(({ longest, shorter, ...rest }) => ({
    ...DEFAULT_RULES,
    ...rest,
    codesAtCreation: 0,
    codeLifetimeDaysMax: longest,
    codeLifetimeDays: shorter === null ? null : Math.max(1, (longest ?? 4) - shorter),
  }))

const span = fc.oneof(
  fc.constant(0),
  fc.integer({ min: 1, max: 10_000 }),
  fc.integer({ min: 1, max: 8 }).map((n) => n * HOUR_MS),
)

export const anyStep: fc.Arbitrary<Step> = fc.record({
  waitMs: fc.oneof({ weight: 4, arbitrary: span }, { weight: 1, arbitrary: fc.constant(DAY_MS) }),
  kind: fc.oneof(...Object.entries(kinds).map(([kind, weight]) => ({ weight, arbitrary: fc.constant(kind as Kind) }))),
  codeFromNewest: fc.integer({ min: 0, max: 3 }),
  slot: fc.constantFrom<CodeSlot | undefined>(undefined, 'PRIMARY', 'PRIMARY', 'SECONDARY'),
  lifetimeMs: fc.oneof(
    { weight: 6, arbitrary: fc.integer({ min: 1, max: 24 }).map((hours) => hours * HOUR_MS) },
    { weight: 2, arbitrary: fc.constantFrom(undefined, null) },
    { weight: 1, arbitrary: fc.constantFrom(-1, 0, 9 * DAY_MS) },
  ),
  overlapSeconds: fc.constantFrom(0, 60, 3_600, 86_400, 2_592_000),
  activeKeyCount: fc.integer({ min: 0, max: 3 }),
  policyIds: fc.constantFrom(undefined, [], ['policy-1'], ['policy-1', 'policy-2']),
  text: fc.constantFrom('a', 'b'),
  ownerId: fc.constantFrom(undefined, undefined, 'user-1', 'user-2'),
  ownSecret: fc.constantFrom(
    ...Array.from({ length: 5 }, () => undefined),
    { strong: true, taken: false },
    { strong: false, taken: false },
    { strong: true, taken: true },
  ),
  rules: anyRules,
})

/** Long enough for several generations of codes. */
export const anySteps = fc.array(anyStep, { minLength: 1, maxLength: 40, size: 'max' })

export const notFinal = (steps: readonly Step[]): readonly Step[] =>
  steps.filter(({ kind }) => kind !== 'RevokeKey' && kind !== 'DeleteKey')

/**
 * Lives it. Throws where `evolve` or `decide` does, which is itself a broken law. Under `constantRules` where given, else
 * under each step's own, and made under `firstRules`.
 */
export function live(
  steps: readonly Step[],
  constantRules?: KeyspaceRules,
  firstRules: KeyspaceRules = DEFAULT_RULES,
): readonly Moment[] {
  const moments: Moment[] = []
  let version = 0
  let now = BORN
  let state: KeyState = initialKey
  const ask = (command: KeyCommand): void => {
    const before = state
    const decision = decideKey(command, before)
    for (const fact of decision.kind === 'accepted' ? decision.facts : []) {
      version += 1
      const event: Recorded<KeyFact> = { ...fact, at: now, actor: SOMEONE, version }
      state = evolveKey(state, event)
    }
    if (state.status === 'none') throw new Error('The first command makes the key.')
    moments.push({ command, now, before, decision, after: state })
  }

  const rules = constantRules ?? firstRules
  ask(create({ now, rules, isDefault: true, details: { ...DETAILS, ownerId: 'user-1', policyIds: ['policy-1'] } }))
  for (const [index, step] of steps.entries()) {
    now = plusMs(now, step.waitMs)
    const command = commandOf(step, state, now, constantRules ?? step.rules, `c${index}`)
    if (command !== undefined) ask(command)
  }
  return moments
}

/** Undefined where the step is about a code and there is none yet. */
function commandOf(
  step: Step,
  state: KeyState,
  now: Instant,
  rules: KeyspaceRules,
  newId: string,
): KeyCommand | undefined {
  const { kind, lifetimeMs, overlapSeconds, activeKeyCount, policyIds, ownerId, text, ownSecret } = step
  const expiresAt = typeof lifetimeMs === 'number' ? plusMs(now, lifetimeMs) : lifetimeMs
  const code: CodeRequest = request(newId, { slot: step.slot, expiresAt, description: text, ownSecret })
  const codes = state.status === 'none' ? [] : state.codes
  const codeId = codes.at(-1 - (step.codeFromNewest % Math.max(1, codes.length)))?.codeId
  switch (kind) {
    case 'EnableKey':
    case 'DisableKey':
      return { type: kind }
    case 'FreezeKey':
      return { type: kind, rules, policies: [(policyIds ?? []).flatMap(grantsOf)] }
    case 'RevokeKey':
    case 'DeleteKey':
      return { type: kind, reason: 'SUPERSEDED', note: text }
    case 'UpdateKey':
      return { type: kind, now, rules, activeKeyCount, details: { name: text, expiresAt, policyIds, ownerId } }
    case 'IssueCode':
      return { type: kind, now, rules, code }
    case 'RotateKey':
      return { type: kind, now, rules, rotationId: `r-${newId}`, slot: step.slot ?? 'PRIMARY', code, overlapSeconds }
    case 'UpdateCode':
      return codeId === undefined ? undefined : { type: kind, codeId, description: text }
    case 'EnableCode':
    case 'DisableCode':
      return codeId === undefined ? undefined : { type: kind, codeId, now }
    case 'RevealCode':
      return codeId === undefined ? undefined : { type: kind, codeId, now, rules, sealed: text === 'a' }
    case 'DeleteCode':
      return codeId === undefined ? undefined : { type: kind, codeId, now, rules }
  }
}

const grantsOf = (policyId: string): readonly PolicyGrant[] => [{ policyId, permissions: ['ads.read'], endpoints: [] }]
