// deletePolicy: only one that nothing relies on can go; its history stays.
import { z } from 'zod'
import { decidePolicy } from '#domain/policy/decide.ts'
import type { Command } from './command.ts'
import { idInput, versioned } from './input.ts'
import { accountOfPolicy, isPolicyHeld, policyStreamOf } from './policy-command.ts'

const input = z.object({ policyId: idInput, ...versioned })

export const deletePolicy: Command<z.infer<typeof input>, { readonly policyId: string }> = {
  name: 'deletePolicy',
  permission: 'policies.write',
  input,
  async locate(step, { policyId }) {
    const accountId = await accountOfPolicy(step, policyId)
    if (accountId === undefined) return { notFound: policyId }
    const locks = [{ id: policyId, exclusive: true }]
    return { accountId, subjectId: policyId, namedId: policyId, locks }
  },
  async decide(step, { policyId }) {
    const stream = policyStreamOf(step, policyId)
    const inUse = await isPolicyHeld(step, policyId)
    const decision = decidePolicy({ type: 'DeletePolicy', inUse }, stream.state)
    if (decision.kind === 'refused') return decision
    return { kind: 'accepted', changes: [{ stream, facts: decision.facts }], result: { policyId } }
  },
}
