// updateLink: what a linked key grants here from then on.
import { z } from 'zod'
import { decideLink } from '#domain/link/decide.ts'
import { type Command, notFound } from './command.ts'
import { policiesIn } from './held-policies.ts'
import { idInput, policyIdsInput, versioned } from './input.ts'
import { findLink, linkStreamOf } from './link-command.ts'

const input = z.object({ linkId: idInput, policyIds: policyIdsInput, ...versioned })

export const updateLink: Command<z.infer<typeof input>, { readonly linkId: string }> = {
  name: 'updateLink',
  permission: 'links.write',
  input,
  async locate(step, { linkId, policyIds }) {
    const found = await findLink(step, linkId, policyIds)
    if (found === undefined) return { notFound: linkId }
    const policies = found.policy_ids.map((id) => ({ id, exclusive: false }))
    const locks = [{ id: linkId, exclusive: true }, ...policies]
    return { accountId: found.account_id, subjectId: linkId, namedId: linkId, locks }
  },
  async decide(step, { linkId, policyIds }) {
    const stream = linkStreamOf(step, linkId)
    if (stream.state.status !== 'active') return notFound(linkId)
    const held = policiesIn(step, policyIds)
    if ('missing' in held) return notFound(held.missing)
    const decision = decideLink({ type: 'UpdateLink', policyIds }, stream.state)
    if (decision.kind === 'refused') return decision
    return { kind: 'accepted', changes: [{ stream, facts: decision.facts }], result: { linkId } }
  },
}
