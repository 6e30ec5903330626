// Lists of keys: of an account, and of one keyspace.
import { listKeys } from '#queries/keys.ts'
import { Account } from './account.ts'
import { builder } from './builder.ts'
import { bothWays } from './connection.ts'
import { ApiKeyConnection, KeyStatus } from './key.ts'
import { Keyspace } from './keyspace.ts'
import { costOfPage } from './limits.ts'

const KeyFilter = builder.inputType('KeyFilter', {
  description: 'Which keys to list: those for which everything that is given holds. Null is the same as absent.',
  fields: (t) => ({
    keyspaceId: t.id({ description: 'Only keys of this keyspace.' }),
    statuses: t.field({
      type: [KeyStatus],
      description: 'Only keys with one of these statuses. Absent: all but DELETED.',
    }),
    ownerId: t.id({ description: 'Only keys that this user owns.' }),
    policyId: t.id({ description: 'Only keys that hold this policy, those whose authorizations are frozen too.' }),
    tags: t.stringList({ description: 'Only keys that bear every one of these tags, case-sensitive.' }),
    name: t.string({ description: 'Only keys with this in their name, anywhere, in upper or lower case.' }),
    hint: t.string({
      description:
        'Only keys of which one code, retired ones included, shows this hint: give the head of a secret as it was seen in a ' +
        'log, `bss_7Q2mX9aTzK`. Never give a whole secret.',
    }),
    expiresBefore: t.field({
      type: 'DateTime',
      description:
        'Only keys whose own expiry is before this instant, or of which a live code expires before it: one that is not replaced, ' +
        'deleted, revoked with its key or past its expiry already.',
    }),
    rotationOpen: t.boolean({
      description:
        'True: only keys with an overlap that has not ended, of which a replaced code still works beside its replacement; false: ' +
        'only keys without one.',
    }),
    unusedSince: t.field({
      type: 'DateTime',
      description: 'Only keys that were last used before this instant, or never and were created before it.',
    }),
  }),
})

const KeyOrderField = builder.enumType('KeyOrderField', {
  description: 'What to sort keys by. Keys alike in it follow in the order of their ids; those without it come last.',
  values: {
    CREATED_AT: { description: 'When it was created.' },
    NAME: { description: 'Its name, upper and lower case alike.' },
    EXPIRES_AT: { description: 'Its own expiry.' },
    LAST_USED_AT: { description: 'When it was last used. Those that never were come last, in the order of creation.' },
  } as const,
})

const Direction = builder.enumType('Direction', {
  description: 'Which way to sort.',
  values: { ASC: { description: 'The least first.' }, DESC: { description: 'The greatest first.' } } as const,
})

const KeyOrder = builder.inputType('KeyOrder', {
  description: 'How to sort keys.',
  fields: (t) => ({
    field: t.field({ type: KeyOrderField, required: true, description: 'What to sort by.' }),
    direction: t.field({ type: Direction, required: true, description: 'Which way.' }),
  }),
})

const chosenKeys = builder.args((t) => ({
  filter: t.field({ type: KeyFilter, description: 'Which keys. Absent: all that are not deleted.' }),
  orderBy: t.field({ type: KeyOrder, description: 'In which order. Absent: the newest first.' }),
}))

builder.objectField(Account, 'keys', (t) =>
  t.field({
    type: ApiKeyConnection,
    nullable: true,
    needs: 'keys.read',
    args: { ...chosenKeys, ...bothWays },
    complexity: costOfPage,
    description:
      "Its keys. Without a `keyspaceId` in the filter: all but the management keyspace's; to a MEMBER their own only. Null, with a " +
      'FORBIDDEN error, without the permission keys.read.',
    resolve: ({ account_id: accountId }, { filter, orderBy, ...page }, { reader }) =>
      listKeys(reader, { accountId }, filter ?? {}, orderBy ?? null, page),
  }),
)

builder.objectField(Keyspace, 'keys', (t) =>
  t.field({
    type: ApiKeyConnection,
    nullable: true,
    needs: 'keys.read',
    args: { ...chosenKeys, ...bothWays },
    complexity: costOfPage,
    description:
      'Its keys; to a MEMBER their own only. Null, with a FORBIDDEN error, without the permission keys.read.',
    resolve: ({ keyspace_id: keyspaceId }, { filter, orderBy, ...page }, { reader }) =>
      listKeys(reader, { keyspaceId }, filter ?? {}, orderBy ?? null, page),
  }),
)
