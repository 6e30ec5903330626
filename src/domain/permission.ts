// Permissions: dotted names, case-sensitive, and who has which. Whatever is not granted is denied.

/** Longest permission, wildcard included. */
const PERMISSION_LENGTH_MAX = 128
const NAME = /^[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/
const WILDCARD_ENDING = '.*'

/** What callers of this API can be permitted; `*` stands for all of them. */
export const MANAGEMENT_PERMISSIONS = [
  'accounts.read',
  'accounts.write',
  'keyspaces.write',
  'policies.write',
  'users.write',
  'keys.read',
  'keys.write',
  'keys.verify',
  'secrets.reveal',
  'links.write',
  'events.read',
  'logs.read',
  'logs.write',
] as const

export type ManagementPermission = (typeof MANAGEMENT_PERMISSIONS)[number]

/** Whether `text` is a permission; with `wildcard`, `*` and names that end in `.*` are such too. */
export function isPermission(text: string, { wildcard }: { readonly wildcard: boolean }): boolean {
  if (text.length > PERMISSION_LENGTH_MAX) return false
  if (NAME.test(text)) return true
  if (!wildcard) return false
  return text === '*' || (text.endsWith(WILDCARD_ENDING) && NAME.test(text.slice(0, -WILDCARD_ENDING.length)))
}

/**
 * Whether one of the granted permissions gives the asked one. A wildcard stands for one or more segments: `ads.*` gives
 * `ads.read` and `ads.read.own` but not `ads`. `asked` may be a wildcard too, given only by one at least as wide:
 * names that happen to be all there are today don't add up to those of tomorrow.
 */
export function covers(granted: readonly string[], asked: string): boolean {
  return granted.some((grant) => {
    if (grant === '*' || grant === asked) return true
    // With its dot, so that `ads.*` doesn't give `adsense.read`.
    return grant.endsWith(WILDCARD_ENDING) && asked.startsWith(grant.slice(0, -1))
  })
}

/**
 * What both give, each once. Of two permissions that overlap one lies within the other, so that the narrower ones are all of it:
 * `ads.*` and `ads.read` have `ads.read` in common, `ads.*` and `reports.*` nothing.
 */
export function intersection(some: readonly string[], others: readonly string[]): readonly string[] {
  const within = (narrow: readonly string[], wide: readonly string[]) =>
    narrow.filter((permission) => covers(wide, permission))
  return [...new Set([...within(some, others), ...within(others, some)])]
}

export function coversAll(granted: readonly string[], asked: readonly string[]): boolean {
  return asked.every((permission) => covers(granted, permission))
}
