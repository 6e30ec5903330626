// The key that every user has without asking, in a keyspace whose rule says so.
import type { KeyspaceRules } from '../keyspace/rules.ts'
import { type KeyDetails, NOT_LOGGED } from './events.ts'

/** Whether it is its owner's default key: what was made as one is an ordinary key while the rule is off. */
export function isDefaultKey(
  key: { readonly isDefault: boolean },
  { defaultKeys }: Pick<KeyspaceRules, 'defaultKeys'>,
): boolean {
  return key.isDefault && defaultKeys
}

/** It always acts as its user, and holds everything: hence it opens what they themselves may open, now and at any time. */
export function defaultKeyOf(userId: string, { defaultKeyName }: Pick<KeyspaceRules, 'defaultKeyName'>): KeyDetails {
  return {
    name: defaultKeyName,
    description: null,
    tags: [],
    metadata: {},
    policyIds: [],
    permissions: ['*'],
    ownerId: userId,
    actsAsId: userId,
    expiresAt: null,
    logging: NOT_LOGGED,
  }
}
