// addUser: a person or service of the account's own directory.
import { z } from 'zod'
import { holdsAll, mayDo } from '#domain/caller.ts'
import { kindOf, shardOf } from '#domain/ids.ts'
import { newStream } from '#domain/streams.ts'
import { decideUser } from '#domain/user/decide.ts'
import { permissionsOfRole } from '#domain/user/roles.ts'
import { newId } from '#secret/ids.ts'
import { newPersonalKey } from '#secret/personal.ts'
import type { Command } from './command.ts'
import { keyspacesWithDefaultKeys, makeDefaultKeys } from './default-keys.ts'
import { displayNameInput, externalIdInput, idempotent, idInput, permissionsInput } from './input.ts'
import { findIdentity, insertIdentity, insertUserKey, roleInput } from './user-command.ts'

const input = z.object({
  accountId: idInput,
  externalId: externalIdInput,
  displayName: displayNameInput.nullish(),
  role: roleInput,
  permissions: permissionsInput.nullish(),
  ...idempotent,
})

type Input = z.infer<typeof input>

const SEE_SECRETS = ['keys.write', 'secrets.reveal'] as const

export const addUser: Command<Input, { readonly userId: string; readonly issuedCodeIds: readonly string[] }> = {
  name: 'addUser',
  permission: 'users.write',
  input,
  async locate(step, { accountId }) {
    const shard = shardOf(accountId)
    if (kindOf(accountId) !== 'acct' || shard === undefined) return { notFound: accountId }
    const keyspaces = await keyspacesWithDefaultKeys(step, shard, accountId)
    // The account exclusively: external ids are unique in it, and none of its keyspaces may get default keys meanwhile.
    const locks = [{ id: accountId, exclusive: true }, ...keyspaces.map((id) => ({ id, exclusive: false }))]
    return { accountId, subjectId: accountId, namedId: accountId, locks }
  },
  async decide(step, { accountId, externalId, displayName, role, permissions }) {
    const { caller } = step.origin
    const stream = newStream('user', newId('usr', step.shard), accountId)
    const decision = decideUser(
      {
        type: 'AddUser',
        role,
        permissions: permissions ?? undefined,
        externalIdTaken: (await findIdentity(step, accountId, externalId)) !== undefined,
        callerHoldsRole: holdsAll(caller, permissionsOfRole(role)),
      },
      stream.state,
    )
    if (decision.kind === 'refused') return decision
    const made = await makeDefaultKeys(step, stream.id)
    const key = newPersonalKey(step.services.keyring, stream.id)
    const told = { externalId, displayName: displayName ?? null }
    return {
      kind: 'accepted',
      changes: [
        {
          stream,
          facts: decision.facts,
          personal: { key, values: new Map(decision.facts.map((fact) => [fact, told])) },
        },
        ...made.changes,
      ],
      vault: [
        insertUserKey(step, stream.id, key),
        insertIdentity(step.services, step, stream.id, externalId),
        ...made.vault,
      ],
      // To whoever may have such a secret in another way: adding users alone is no right to what they may open.
      secrets: SEE_SECRETS.some((permission) => mayDo(caller, permission)) ? made.secrets : new Map(),
      result: { userId: stream.id, issuedCodeIds: made.issuedCodeIds },
    }
  },
}
