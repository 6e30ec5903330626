// What an event changed: the difference between its subject before and after it, in the names that the API has for its fields.
// Nothing of it is stored. Secrets' digests and whoever a user is are no part of what is compared.
import type { Json } from './key/events.ts'
import type { Code, KeyState } from './key/state.ts'
import { sameValue } from './same-value.ts'
import type { States, Stream, StreamKind } from './streams.ts'

/** Null stands for nothing, before the subject was there too. */
export type Change = { readonly field: string; readonly before: Json; readonly after: Json }

type Fields = Readonly<Record<string, Json>>

/** `after` is `before` and one event. Empty where an event changed nothing that is kept: a secret was shown, say. */
export function changesOf(before: Stream, after: Stream): readonly Change[] {
  return [
    ...differences(fieldsOf(before), fieldsOf(after)),
    ...(after.kind === 'key' ? codeChanges(before.state as KeyState, after.state as KeyState) : []),
  ]
}

function differences(before: Fields, after: Fields, prefix = ''): readonly Change[] {
  // A map rather than property access: no name may reach what every object has.
  const old = new Map(Object.entries(before))
  return Object.entries(after).flatMap(([name, value]) => {
    const was = old.get(name) ?? null
    return sameValue(was, value) ? [] : [{ field: `${prefix}${name}`, before: was, after: value }]
  })
}

function fieldsOf<Kind extends StreamKind>({ kind, state }: Stream<Kind>): Fields {
  return state.status === 'none' ? {} : FIELDS[kind](state as Existing<Kind>)
}

type Existing<Kind extends StreamKind> = Exclude<States[Kind], { readonly status: 'none' }>

// Field by field: what is added to a state must be added here by name, or it is told to nobody.
const FIELDS: { readonly [Kind in StreamKind]: (state: Existing<Kind>) => Fields } = {
  account: ({ name, managementKeyspaceId }) => ({ name, managementKeyspaceId }),
  keyspace: (keyspace) => ({
    name: keyspace.name,
    management: keyspace.management,
    ...Object.fromEntries(Object.entries(keyspace.rules).map(([rule, value]) => [`rules.${rule}`, value as Json])),
    deletedAt: keyspace.status === 'deleted' ? keyspace.deletedAt : null,
  }),
  policy: (policy) => ({
    name: policy.name,
    description: policy.description,
    permissions: policy.permissions,
    endpoints: policy.endpoints.map(({ methods, path }) => ({ methods, path })),
    deletedAt: policy.status === 'deleted' ? policy.deletedAt : null,
  }),
  user: (user) => ({
    role: user.role,
    permissions: user.permissions,
    removedAt: user.status === 'removed' ? user.removedAt : null,
    erasedAt: user.status === 'removed' ? user.erasedAt : null,
  }),
  link: (link) => ({
    keyId: link.keyId,
    keyspaceId: link.keyspaceId,
    policyIds: link.policyIds,
    unlinkedAt: link.status === 'unlinked' ? link.unlinkedAt : null,
  }),
  key: (key) => ({
    name: key.name,
    description: key.description,
    keyspaceId: key.keyspaceId,
    tags: key.tags,
    metadata: key.metadata,
    policyIds: key.policyIds,
    frozenPolicies: key.frozenPolicies as Json,
    permissions: key.permissions,
    ownerId: key.ownerId,
    actsAsId: key.actsAsId,
    enabled: key.enabled,
    isDefault: key.isDefault,
    expiresAt: key.expiresAt,
    logging: key.logging,
    'revocation.reason': key.status === 'active' ? null : key.revocation.reason,
    'revocation.note': key.status === 'active' ? null : key.revocation.note,
    'revocation.at': key.status === 'active' ? null : key.revocation.at,
    deletedAt: key.status === 'deleted' ? key.deletedAt : null,
  }),
}

/** A code that is new as one change; of one that was there before, each field that changed. */
function codeChanges(before: KeyState, after: KeyState): readonly Change[] {
  if (before.status === 'none' || after.status === 'none') return []
  return after.codes.flatMap((code, index) => {
    const was = before.codes[index]
    // Codes that an event leaves alone keep their identity, and a key may have thousands.
    if (was === code) return []
    const field = `codes.${code.codeId}`
    return was === undefined
      ? [{ field, before: null, after: codeFields(code) }]
      : differences(codeFields(was), codeFields(code), `${field}.`)
  })
}

function codeFields(code: Code): Fields {
  return {
    slot: code.slot,
    hint: code.hint,
    description: code.description,
    enabled: code.enabled,
    expiresAt: code.expiresAt,
    replacedAt: code.replacedAt,
    replacedById: code.replacedById,
    overlapEndsAt: code.overlapEndsAt,
    deletedAt: code.deletedAt,
  }
}
