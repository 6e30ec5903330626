// rotateKey: puts a new secret into a slot; the old one stops at once, or after an overlap.
import { z } from 'zod'
import { invariant } from '#domain/invariant.ts'
import { newId } from '#secret/ids.ts'
import { idInput, newCodeInput, OVERLAP_SECONDS_MAX, slotInput, versioned } from './input.ts'
import { keyCommand } from './key-command.ts'
import { bringOwnSecret, mintCodes, plaintextsOf } from './mint-code.ts'

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
  issues: true,
  subject: ({ keyId }) => ({ keyId }),
  bringsSecret: (wanted) => bringOwnSecret([wanted]),
  async ask(step, wanted) {
    const { now, rules, key } = step
    const where = { keyspaceId: key.keyspaceId, rules }
    const [minted] = await mintCodes(step, where, [wanted])
    invariant(minted !== undefined, 'as many codes are minted as asked for')
    const rotationId = newId('rot', step.shard)
    const { slot, overlapSeconds } = wanted
    return {
      command: { type: 'RotateKey', now, rules, rotationId, slot, overlapSeconds, code: minted.request },
      result: { keyId: wanted.keyId, rotationId, issuedCodeIds: [minted.request.codeId] },
      ...plaintextsOf(step, where, [minted]),
    }
  },
})
