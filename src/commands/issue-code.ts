// issueCode: puts a new code into a free slot.
import { z } from 'zod'
import { invariant } from '#domain/invariant.ts'
import { idInput, newCodeInput, versioned } from './input.ts'
import { keyCommand } from './key-command.ts'
import { bringOwnSecret, mintCodes, plaintextsOf } from './mint-code.ts'

const input = z.object({ keyId: idInput, ...newCodeInput.shape, ...versioned })

export const issueCode = keyCommand({
  name: 'issueCode',
  input,
  strengthens: true,
  issues: true,
  subject: ({ keyId }) => ({ keyId }),
  bringsSecret: (wanted) => bringOwnSecret([wanted]),
  async ask(step, wanted) {
    const { now, rules, key } = step
    const where = { keyspaceId: key.keyspaceId, rules }
    const [minted] = await mintCodes(step, where, [wanted])
    invariant(minted !== undefined, 'as many codes are minted as asked for')
    return {
      command: { type: 'IssueCode', now, rules, code: minted.request },
      result: { keyId: wanted.keyId, issuedCodeIds: [minted.request.codeId] },
      ...plaintextsOf(step, where, [minted]),
    }
  },
})
