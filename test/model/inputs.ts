// What is an input at all, whatever there is in the world.
import type { Input, Mutation } from './decision.ts'
import { DEFAULT_RULES, type Rules } from './world.ts'

const isName = (name: string) => name.trim() !== '' && name.length <= 200
const isPermission = (text: string) => text === '*' || /^[a-z0-9_-]+(\.[a-z0-9_-]+)*(\.\*)?$/.test(text)
const areDistinct = (values: readonly unknown[]) => new Set(values).size === values.length
const isOwnSecret = (text: string) => /^[!-~]{16,256}$/.test(text)
const isAboutPolicy = (mutation: Mutation) => mutation === 'createPolicy' || mutation === 'updatePolicy'
/** Rules of which null is a value. */
export const UNLIMITABLE = ['activeKeysMax', 'codeLifetimeDays', 'codeLifetimeDaysMax']

export function isInput(mutation: Mutation, input: Input): boolean {
  const {
    name,
    tags,
    permissions,
    policyIds,
    codes,
    overlapSeconds = 0,
    secret,
    rules,
    externalId,
    description,
  } = input
  if (policyIds && !areDistinct(policyIds)) return false
  if (externalId !== undefined && (externalId.trim() === '' || externalId !== externalId.trim())) return false
  if (isAboutPolicy(mutation) && (description === null || description?.trim() === '')) return false
  if (name === null || (name !== undefined && !isName(name))) return false
  if (tags && !(areDistinct(tags) && tags.every((tag) => isName(tag) && tag.length <= 100))) return false
  if (permissions && !(areDistinct(permissions) && permissions.every(isPermission))) return false
  const slots = codes?.flatMap(({ slot }) => slot ?? []) ?? []
  if (codes && !(codes.length <= 2 && areDistinct(slots))) return false
  if (![secret, ...(codes ?? []).map((code) => code.secret)].every((text) => text == null || isOwnSecret(text)))
    return false
  if (overlapSeconds < 0 || overlapSeconds > 2_592_000) return false
  if (mutation === 'createKeyspace') return rulesStand({ ...DEFAULT_RULES, ...withoutNulls(rules ?? {}) })
  if (rules === null) return false
  return Object.entries(rules ?? {}).every(([rule, value]) =>
    value === null
      ? UNLIMITABLE.includes(rule)
      : rulesStand({ ...DEFAULT_RULES, secretDisplay: 'REVEALABLE', [rule]: value }),
  )
}

export function withoutNulls(rules: object): Partial<Rules> {
  return Object.fromEntries(Object.entries(rules).filter(([, value]) => value !== null))
}

export function rulesStand(rules: Rules): boolean {
  const within = (value: number | null, least: number, most: number) =>
    value === null || (value >= least && value <= most)
  const { codeLifetimeDays: days, codeLifetimeDaysMax: daysMax } = rules
  // Nobody is there to take a secret, choose a policy or an expiry, or be told that there is no room.
  const needsNobody =
    rules.secretDisplay === 'REVEALABLE' &&
    rules.codesAtCreation > 0 &&
    rules.activeKeysMax === null &&
    !rules.policyRequired &&
    !rules.expiryRequired
  return (
    /^[a-z][a-z0-9_]{0,30}[a-z0-9]$/.test(rules.prefix) &&
    within(rules.activeKeysMax, 1, 1_000_000) &&
    within(rules.liveCodesMax, 1, 2) &&
    within(rules.codesAtCreation, 0, rules.liveCodesMax) &&
    within(days, 1, 36_500) &&
    within(daysMax, 1, 36_500) &&
    (days === null || daysMax === null || days <= daysMax) &&
    (!rules.defaultKeys || needsNobody)
  )
}
