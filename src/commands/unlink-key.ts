// unlinkKey: the key opens nothing here any more; its own account does not notice.
import { z } from 'zod'
import { decideLink } from '#domain/link/decide.ts'
import type { Command } from './command.ts'
import { idInput, versioned } from './input.ts'
import { findLink, linkStreamOf } from './link-command.ts'

const input = z.object({ linkId: idInput, ...versioned })

export const unlinkKey: Command<z.infer<typeof input>, { readonly linkId: string }> = {
  name: 'unlinkKey',
  permission: 'links.write',
  input,
  async locate(step, { linkId }) {
    const found = await findLink(step, linkId)
    if (found === undefined) return { notFound: linkId }
    const locks = [{ id: linkId, exclusive: true }]
    return { accountId: found.account_id, subjectId: linkId, namedId: linkId, locks }
  },
  async decide(step, { linkId }) {
    const stream = linkStreamOf(step, linkId)
    const decision = decideLink({ type: 'UnlinkKey' }, stream.state)
    if (decision.kind === 'refused') return decision
    return { kind: 'accepted', changes: [{ stream, facts: decision.facts }], result: { linkId } }
  },
}
