// addUser: a person or service of the account's own directory.
import { z } from 'zod'
import { holdsAll } from '#domain/caller.ts'
import { kindOf } from '#domain/ids.ts'
import { newStream } from '#domain/streams.ts'
import { decideUser } from '#domain/user/decide.ts'
import { permissionsOfRole } from '#domain/user/roles.ts'
import { newId } from '#secret/ids.ts'
import { newPersonalKey } from '#secret/personal.ts'
import type { Command } from './command.ts'
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

export const addUser: Command<z.infer<typeof input>, { readonly userId: string }> = {
  name: 'addUser',
  permission: 'users.write',
  input,
  async locate(_step, { accountId }) {
    if (kindOf(accountId) !== 'acct') return { notFound: accountId }
    // Exclusive, because external ids are unique in the account.
    return { accountId, subjectId: accountId, namedId: accountId, locks: [{ id: accountId, exclusive: true }] }
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
      ],
      vault: [insertUserKey(step, stream.id, key), insertIdentity(step.services, step, stream.id, externalId)],
      result: { userId: stream.id },
    }
  },
}
