// Whose a key is, and as whom it acts: users of the account's directory, and their keys.
import { listKeys } from '#queries/keys.ts'
import { builder } from './builder.ts'
import { forward } from './connection.ts'
import { ApiKey, ApiKeyConnection } from './key.ts'
import { costOfPage } from './limits.ts'
import { User } from './user.ts'

builder.objectFields(ApiKey, (t) => ({
  owner: t.field({
    type: User,
    nullable: true,
    // Part of the key itself, like its policies.
    needs: 'parent',
    past: true,
    description: "The user whose key it is, for whoever is shown the key; null where it is nobody's in particular.",
    resolve: ({ owner_id: id }, _arguments, { loaders }) => (id === null ? null : loaders.user.load(id)),
  }),
  actsAs: t.field({
    type: User,
    nullable: true,
    needs: 'parent',
    past: true,
    description:
      'The user it stands for, for whoever is shown the key: whatever it grants, it opens only what they themselves may do at that ' +
      'moment. Null: it acts as nobody, and opens all that it grants.',
    resolve: ({ acts_as_id: id }, _arguments, { loaders }) => (id === null ? null : loaders.user.load(id)),
  }),
}))

builder.objectField(User, 'keys', (t) =>
  t.field({
    type: ApiKeyConnection,
    nullable: true,
    needs: 'keys.read',
    args: forward,
    complexity: costOfPage,
    description:
      'The keys they own, the newest first, those of the management keyspace too, deleted ones not. Null, with a FORBIDDEN error, ' +
      'without the permission keys.read.',
    resolve: ({ account_id: accountId, user_id: ownerId }, page, { reader }) =>
      listKeys(reader, { accountId, ownerId }, {}, null, page),
  }),
)
