// Whether rules of a keyspace are within their ranges and agree with each other. An update is checked as merged with the
// rules that stay, so that no order of updates reaches what one of them could not.
import { faultOfPresentations } from './presentation.ts'
import { DEFAULT_RULES, type KeyspaceRules, MANAGEMENT_RULES } from './rules.ts'

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

/**
 * The prefix of an application's keyspace: none that makes its keys look like credentials of this API, to people and to those who
 * search leaked text for them.
 */
export function checkPrefix({ prefix }: Pick<Partial<KeyspaceRules>, 'prefix'>): BrokenRule | undefined {
  const reserved = MANAGEMENT_RULES.prefix
  if (prefix !== reserved && !prefix?.startsWith(`${reserved}_`)) return undefined
  return {
    rule: 'prefix',
    why: `must not be ${reserved}, which leads the credentials of this API, nor begin with ${reserved}_`,
  }
}

/** What default keys take of other rules: nobody is there to take a secret, choose a policy or an expiry, or be told that there is no room. */
const DEFAULT_KEYS_TAKE: readonly (BrokenRule & { isSo(rules: KeyspaceRules): boolean })[] = [
  { rule: 'secretDisplay', why: 'REVEALABLE', isSo: ({ secretDisplay }) => secretDisplay === 'REVEALABLE' },
  { rule: 'codesAtCreation', why: 'at least 1', isSo: ({ codesAtCreation }) => codesAtCreation > 0 },
  { rule: 'activeKeysMax', why: 'null', isSo: ({ activeKeysMax }) => activeKeysMax === null },
  { rule: 'policyRequired', why: 'off', isSo: ({ policyRequired }) => !policyRequired },
  { rule: 'expiryRequired', why: 'off', isSo: ({ expiryRequired }) => !expiryRequired },
]

function canHaveDefaultKeys(rules: KeyspaceRules): boolean {
  return DEFAULT_KEYS_TAKE.every(({ isSo }) => isSo(rules))
}

/** The first rule that can't stand once `changed` has joined those that stay, which can: told of a rule that was to be changed. */
export function checkChanges(standing: KeyspaceRules, changed: Partial<KeyspaceRules>): BrokenRule | undefined {
  const rules = { ...standing, ...changed }
  const broken = checkRules(rules)
  if (broken?.rule !== 'defaultKeys' || 'defaultKeys' in changed) return broken
  const culprit = DEFAULT_KEYS_TAKE.find(({ isSo }) => !isSo(rules))
  return culprit && { rule: culprit.rule, why: `must be ${culprit.why} where defaultKeys is on` }
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
