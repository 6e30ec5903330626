// Whether rules of a keyspace are within their ranges and agree with each other. An update is checked as merged with the
// rules that stay, so that no order of updates reaches what one of them could not.
import { faultOfPresentations } from './presentation.ts'
import { DEFAULT_RULES, type KeyspaceRules } from './rules.ts'

/** Far beyond what is listed or counted in practice; it keeps the count an ordinary integer. */
const ACTIVE_KEYS_MAX = 1_000_000
/** A century: no sum of an instant and a lifetime leaves four-digit years. */
const LIFETIME_DAYS_MAX = 36_500
/** PRIMARY and SECONDARY. */
const SLOTS = 2

const PREFIX = /^[a-z][a-z0-9_]{0,30}[a-z0-9]$/

/** Beside these any rule can stand that can stand at all. */
const LOOSEST_RULES: KeyspaceRules = { ...DEFAULT_RULES, liveCodesMax: SLOTS, secretDisplay: 'REVEALABLE' }

export type BrokenRule = { readonly rule: keyof KeyspaceRules; readonly why: string }

/** The first rule that can't stand; undefined where all can. */
export function checkRules(rules: KeyspaceRules): BrokenRule | undefined {
  const { prefix, activeKeysMax, liveCodesMax, codesAtCreation, codeLifetimeDays, codeLifetimeDaysMax } = rules
  if (!PREFIX.test(prefix)) {
    const why = 'must be 2 to 32 of a-z, 0-9 and _, beginning with a letter and not ending with _'
    return { rule: 'prefix', why }
  }
  const ranges = [
    range('activeKeysMax', activeKeysMax, 1, ACTIVE_KEYS_MAX),
    range('liveCodesMax', liveCodesMax, 1, SLOTS),
    range('codesAtCreation', codesAtCreation, 0, liveCodesMax, ' (liveCodesMax)'),
    range('codeLifetimeDaysMax', codeLifetimeDaysMax, 1, LIFETIME_DAYS_MAX),
    range('codeLifetimeDays', codeLifetimeDays, 1, LIFETIME_DAYS_MAX),
  ]
  const broken = ranges.find((found) => found !== undefined)
  if (broken !== undefined) return broken
  if (codeLifetimeDays !== null && codeLifetimeDaysMax !== null && codeLifetimeDays > codeLifetimeDaysMax) {
    return { rule: 'codeLifetimeDays', why: 'must not exceed codeLifetimeDaysMax' }
  }
  if (rules.defaultKeys && !canHaveDefaultKeys(rules)) {
    const why =
      'must be off unless secrets are REVEALABLE, codesAtCreation is at least 1, and there is no activeKeysMax, policyRequired or expiryRequired'
    return { rule: 'defaultKeys', why }
  }
  const fault = faultOfPresentations(rules.presentations)
  return fault === undefined ? undefined : { rule: 'presentations', why: fault }
}

/** Nobody is there to take a secret, choose a policy or an expiry, or be told that there is no room. */
function canHaveDefaultKeys(rules: KeyspaceRules): boolean {
  const { secretDisplay, codesAtCreation, activeKeysMax, policyRequired, expiryRequired } = rules
  return (
    secretDisplay === 'REVEALABLE' &&
    codesAtCreation > 0 &&
    activeKeysMax === null &&
    !policyRequired &&
    !expiryRequired
  )
}

/** Every rule that can't stand whatever the others are; whether they agree is left open. */
export function checkEachRule(rules: Partial<KeyspaceRules>): readonly BrokenRule[] {
  return Object.entries(rules).flatMap(([rule, value]) => checkRules({ ...LOOSEST_RULES, [rule]: value }) ?? [])
}

/** Null is no limit, which only the rules typed so can be. */
function range(
  rule: keyof KeyspaceRules,
  value: number | null,
  least: number,
  most: number,
  source = '',
): BrokenRule | undefined {
  if (value === null || (Number.isInteger(value) && value >= least && value <= most)) return undefined
  return { rule, why: `must be a whole number from ${least} to ${most}${source}` }
}
