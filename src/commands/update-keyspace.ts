// updateKeyspace: changed rules bind later commands only; what is there already is seen to where they are about that, too.
import { z } from 'zod'
import { holdsAll } from '#domain/caller.ts'
import { decideKeyspace } from '#domain/keyspace/decide.ts'
import { type Command, notFound, refused } from './command.ts'
import { completeKeyspace, planKeyspace } from './complete-keyspace.ts'
import { refusalForDefaultKeys } from './fill-default-keys.ts'
import { idInput, nameInput, versioned } from './input.ts'
import {
  accountOfKeyspace,
  changedRulesInput,
  definedOnly,
  isNameTaken,
  keyspaceStreamOf,
  refusedKeyspace,
} from './keyspace-command.ts'

const input = z.object({
  keyspaceId: idInput,
  name: nameInput.optional(),
  rules: changedRulesInput.optional(),
  ...versioned,
})

export const updateKeyspace: Command<z.infer<typeof input>, { readonly keyspaceId: string }> = {
  name: 'updateKeyspace',
  permission: 'keyspaces.write',
  input,
  async locate(step, { keyspaceId, name, rules }) {
    const accountId = await accountOfKeyspace(step, keyspaceId)
    if (accountId === undefined) return { notFound: keyspaceId }
    const locks = [{ id: keyspaceId, exclusive: true }]
    // Names are unique in the account, and whoever adds a user asks which of its keyspaces have default keys.
    if (name !== undefined || rules?.defaultKeys !== undefined) locks.push({ id: accountId, exclusive: true })
    return { accountId, subjectId: keyspaceId, namedId: keyspaceId, locks }
  },
  async decide(step, { keyspaceId, name, rules }) {
    const stream = keyspaceStreamOf(step, keyspaceId)
    if (stream.state.status !== 'active') return notFound(keyspaceId)
    const decision = decideKeyspace(
      {
        type: 'UpdateKeyspace',
        name,
        rules: definedOnly(rules ?? {}),
        nameTaken: name !== undefined && (await isNameTaken(step, name, keyspaceId)),
        callerHoldsAll: holdsAll(step.origin.caller, ['*']),
      },
      stream.state,
    )
    if (decision.kind === 'refused') return refusedKeyspace(decision.refusal)
    const { facts } = decision
    const refusal = await refusalForDefaultKeys(step, facts)
    if (refusal !== undefined) return refused(refusal)
    return { kind: 'accepted', changes: [{ stream, facts }], result: { keyspaceId } }
  },
  afterwards: completeKeyspace,
  planAfterwards: planKeyspace,
}
