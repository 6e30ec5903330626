// revealCode: shows a kept secret again, and says so in the history. It takes no idempotency key: each time is an event.
import { z } from 'zod'
import { idInput } from './input.ts'
import { keyCommand } from './key-command.ts'
import { kept } from './seals.ts'

const input = z.object({ codeId: idInput })
type Input = z.infer<typeof input> & { readonly idempotencyKey?: never }

export const revealCode = keyCommand<Input, { readonly codeId: string }>({
  name: 'revealCode',
  permission: 'secrets.reveal',
  input,
  // It hands out a credential, even if no new one.
  strengthens: true,
  subject: ({ codeId }) => ({ codeId }),
  async ask(step, { codeId }) {
    const { now, rules } = step
    const secret = await kept(step, codeId)
    return {
      command: { type: 'RevealCode', now, rules, codeId, sealed: secret !== undefined },
      result: { codeId },
      secrets: new Map(secret === undefined ? [] : [[codeId, secret]]),
    }
  },
})
