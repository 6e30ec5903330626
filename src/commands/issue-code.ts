// issueCode: puts a new code into a free slot.
import { z } from 'zod'
import { idInput, newCodeInput, versioned } from './input.ts'
import { keyCommand } from './key-command.ts'
import { mintCode, secretsOf } from './mint-code.ts'

const input = z.object({ keyId: idInput, ...newCodeInput.shape, ...versioned })

export const issueCode = keyCommand({
  name: 'issueCode',
  input,
  strengthens: true,
  subject: ({ keyId }) => ({ keyId }),
  ask(step, wanted) {
    const { now, rules } = step
    const minted = mintCode(step, rules.prefix, wanted)
    return {
      command: { type: 'IssueCode', now, rules, code: minted.request },
      result: { keyId: wanted.keyId, issuedCodeIds: [minted.request.codeId] },
      secrets: secretsOf([minted]),
    }
  },
})
