// rotateKey: puts a new secret into a slot; the old one stops at once, or after an overlap.
import { z } from 'zod'
import { newId } from '#secret/ids.ts'
import { idInput, newCodeInput, OVERLAP_SECONDS_MAX, slotInput, versioned } from './input.ts'
import { keyCommand } from './key-command.ts'
import { mintCode, secretsOf } from './mint-code.ts'

const input = z.object({
  keyId: idInput,
  ...newCodeInput.shape,
  slot: slotInput,
  overlapSeconds: z
    .number()
    .int()
    .min(0, 'must not be negative')
    .max(OVERLAP_SECONDS_MAX, `must be at most ${OVERLAP_SECONDS_MAX} seconds`),
  ...versioned,
})

export const rotateKey = keyCommand({
  name: 'rotateKey',
  input,
  strengthens: true,
  subject: ({ keyId }) => ({ keyId }),
  ask(step, wanted) {
    const { now, rules } = step
    const minted = mintCode(step, rules.prefix, wanted)
    const rotationId = newId('rot', step.shard)
    const { slot, overlapSeconds } = wanted
    return {
      command: { type: 'RotateKey', now, rules, rotationId, slot, overlapSeconds, code: minted.request },
      result: { keyId: wanted.keyId, rotationId, issuedCodeIds: [minted.request.codeId] },
      secrets: secretsOf([minted]),
    }
  },
})
