// updatePolicy: what every key that holds it grants from then on.
import { z } from 'zod'
import { holdsAll } from '#domain/caller.ts'
import { effectivePermissions } from '#domain/grant.ts'
import type { UpdatePolicy } from '#domain/policy/commands.ts'
import { decidePolicy } from '#domain/policy/decide.ts'
import type { ActivePolicy } from '#domain/policy/state.ts'
import { type Command, type DecideStep, notFound, refused } from './command.ts'
import { idInput, nameInput, permissionsInput, versioned } from './input.ts'
import {
  accountOfPolicy,
  endpointsInput,
  grantedBesidePolicy,
  isPolicyNameTaken,
  policyDescriptionInput,
  policyStreamOf,
} from './policy-command.ts'

const input = z.object({
  policyId: idInput,
  name: nameInput.optional(),
  description: policyDescriptionInput.optional(),
  permissions: permissionsInput.nullable().optional(),
  endpoints: endpointsInput.nullable().optional(),
  ...versioned,
})

export const updatePolicy: Command<z.infer<typeof input>, { readonly policyId: string }> = {
  name: 'updatePolicy',
  permission: 'policies.write',
  input,
  async locate(step, { policyId }) {
    const accountId = await accountOfPolicy(step, policyId)
    if (accountId === undefined) return { notFound: policyId }
    // The account's: names are unique in it, and two edits at once could each pass for what neither caller may grant.
    const locks = [policyId, accountId].map((id) => ({ id, exclusive: true }))
    return { accountId, subjectId: policyId, namedId: policyId, locks }
  },
  async decide(step, { policyId, name, description, permissions, endpoints }) {
    const stream = policyStreamOf(step, policyId)
    if (stream.state.status !== 'active') return notFound(policyId)
    const details = {
      name,
      description,
      permissions: permissions === null ? [] : permissions,
      endpoints: endpoints === null ? [] : endpoints,
    }
    // Before the name is asked for: keys are locked before policies.
    const escalates = grantsChange(details) && !(await mayChange(step, stream.state, policyId, details))
    const nameTaken = name !== undefined && (await isPolicyNameTaken(step, name, policyId))
    const decision = decidePolicy({ type: 'UpdatePolicy', details, nameTaken }, stream.state)
    if (decision.kind === 'refused') return decision
    if (escalates && decision.facts.some((fact) => grantsChange(fact.data)))
      return refused({ code: 'GRANT_EXCEEDS_CALLER' })
    return { kind: 'accepted', changes: [{ stream, facts: decision.facts }], result: { policyId } }
  },
}

/**
 * Nobody mints more than they hold: where management keys hold the policy, the caller must hold all that these will grant.
 * All of it, because without its endpoint rules a policy opens this API for the rest of a key's permissions too.
 */
async function mayChange(
  step: DecideStep,
  policy: ActivePolicy,
  policyId: string,
  { permissions = policy.permissions }: UpdatePolicy['details'],
): Promise<boolean> {
  if (step.origin.caller.kind === 'ROOT') return true
  const beside = await grantedBesidePolicy(step, policyId)
  return beside.every((keys) => holdsAll(step.origin.caller, effectivePermissions([{ permissions }, keys], keys.limit)))
}

function grantsChange({ permissions, endpoints }: Partial<UpdatePolicy['details']>): boolean {
  return permissions !== undefined || endpoints !== undefined
}
