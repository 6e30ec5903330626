// createPolicy: a named set of permissions and endpoint rules, to be given to keys.
import { z } from 'zod'
import { kindOf } from '#domain/ids.ts'
import { decidePolicy } from '#domain/policy/decide.ts'
import { newStream } from '#domain/streams.ts'
import { newId } from '#secret/ids.ts'
import type { Command } from './command.ts'
import { idempotent, idInput, nameInput, permissionsInput } from './input.ts'
import { endpointsInput, isPolicyNameTaken, policyDescriptionInput } from './policy-command.ts'

const input = z.object({
  accountId: idInput,
  name: nameInput,
  description: policyDescriptionInput,
  permissions: permissionsInput,
  endpoints: endpointsInput.nullish(),
  ...idempotent,
})

export const createPolicy: Command<z.infer<typeof input>, { readonly policyId: string }> = {
  name: 'createPolicy',
  permission: 'policies.write',
  input,
  async locate(_step, { accountId }) {
    if (kindOf(accountId) !== 'acct') return { notFound: accountId }
    // Exclusive, because names are unique in the account.
    return { accountId, subjectId: accountId, namedId: accountId, locks: [{ id: accountId, exclusive: true }] }
  },
  async decide(step, { name, description, permissions, endpoints }) {
    const stream = newStream('policy', newId('pol', step.shard), step.accountId)
    const nameTaken = await isPolicyNameTaken(step, name, null)
    const details = { name, description, permissions, endpoints: endpoints ?? [] }
    const decision = decidePolicy({ type: 'CreatePolicy', details, nameTaken }, stream.state)
    if (decision.kind === 'refused') return decision
    return { kind: 'accepted', changes: [{ stream, facts: decision.facts }], result: { policyId: stream.id } }
  },
}
