// updateAccount: renames a tenant.
import { z } from 'zod'
import { decideAccount } from '#domain/account/decide.ts'
import { kindOf } from '#domain/ids.ts'
import { invariant } from '#domain/invariant.ts'
import { type Command, streamOf } from './command.ts'
import { idempotent, idInput, nameInput } from './input.ts'

const input = z.object({ accountId: idInput, name: nameInput.optional(), ...idempotent })

export const updateAccount: Command<z.infer<typeof input>, { readonly accountId: string }> = {
  name: 'updateAccount',
  permission: 'accounts.write',
  input,
  async locate(_step, { accountId }) {
    if (kindOf(accountId) !== 'acct') return { notFound: accountId }
    return { accountId, subjectId: accountId, namedId: accountId, locks: [{ id: accountId, exclusive: true }] }
  },
  async decide(step, { accountId, name }) {
    const stream = streamOf(step, 'account', accountId)
    invariant(stream !== undefined, 'a located account is locked')
    const decision = decideAccount({ type: 'UpdateAccount', name }, stream.state)
    return decision.kind === 'refused'
      ? decision
      : { kind: 'accepted', changes: [{ stream, facts: decision.facts }], result: { accountId } }
  },
}
