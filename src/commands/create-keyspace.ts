// createKeyspace: keys under one set of rules.
import { z } from 'zod'
import { kindOf } from '#domain/ids.ts'
import { decideKeyspace } from '#domain/keyspace/decide.ts'
import { newStream } from '#domain/streams.ts'
import { newId } from '#secret/ids.ts'
import { type Command, refused } from './command.ts'
import { completeKeyspace } from './complete-keyspace.ts'
import { refusalForDefaultKeys } from './fill-default-keys.ts'
import { idempotent, idInput, nameInput } from './input.ts'
import { isNameTaken, newRulesInput, refusedKeyspace, withDefaults } from './keyspace-command.ts'

const input = z.object({ accountId: idInput, name: nameInput, rules: newRulesInput.nullish(), ...idempotent })

export const createKeyspace: Command<z.infer<typeof input>, { readonly keyspaceId: string }> = {
  name: 'createKeyspace',
  permission: 'keyspaces.write',
  input,
  async locate(_step, { accountId }) {
    if (kindOf(accountId) !== 'acct') return { notFound: accountId }
    // Exclusive, because names are unique in the account.
    return { accountId, subjectId: accountId, namedId: accountId, locks: [{ id: accountId, exclusive: true }] }
  },
  async decide(step, { name, rules }) {
    const stream = newStream('keyspace', newId('ks', step.shard), step.accountId)
    const nameTaken = await isNameTaken(step, name, null)
    const decision = decideKeyspace(
      { type: 'CreateKeyspace', name, management: false, rules: withDefaults(rules ?? {}), nameTaken },
      stream.state,
    )
    if (decision.kind === 'refused') return refusedKeyspace(decision.refusal)
    const { facts } = decision
    const refusal = await refusalForDefaultKeys(step, facts)
    if (refusal !== undefined) return refused(refusal)
    return { kind: 'accepted', changes: [{ stream, facts }], result: { keyspaceId: stream.id } }
  },
  afterwards: completeKeyspace,
}
