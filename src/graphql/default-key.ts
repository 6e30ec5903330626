// The default key of a user: which one it is, and whether a key is one.
import { isDefaultKey } from '#domain/key/default-key.ts'
import { findDefaultKey } from '#queries/default-keys.ts'
import { builder } from './builder.ts'
import { found } from './found.ts'
import { ApiKey } from './key.ts'
import { User } from './user.ts'

builder.objectField(ApiKey, 'isDefault', (t) =>
  t.boolean({
    needs: 'parent',
    past: true,
    description:
      "Whether it is its owner's default key: replaced as soon as it is revoked or deleted, and theirs for good. False once it is " +
      'revoked, and of every key while the keyspace does not have the rule `defaultKeys`.',
    resolve: async ({ is_default: isDefault, keyspace_id }, _arguments, { loaders }) =>
      isDefault && isDefaultKey({ isDefault }, found(await loaders.keyspace.load(keyspace_id)).rules),
  }),
)

builder.objectField(User, 'defaultKey', (t) =>
  t.field({
    type: ApiKey,
    nullable: true,
    needs: 'keys.read',
    args: { keyspaceId: t.arg.id({ required: true, description: 'A keyspace of their account.' }) },
    description:
      'Their default key in this keyspace; null where the keyspace has none, and, with a FORBIDDEN error, without the permission keys.read.',
    resolve: async (user, { keyspaceId }, { reader, loaders }) => {
      const keyId = await findDefaultKey(reader, user, keyspaceId)
      return keyId === null ? null : loaders.key.load(keyId)
    },
  }),
)
