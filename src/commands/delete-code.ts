// deleteCode: ends a code for good and frees its slot.
import { z } from 'zod'
import { idInput, versioned } from './input.ts'
import { keyCommand } from './key-command.ts'

const input = z.object({ codeId: idInput, ...versioned })

export const deleteCode = keyCommand({
  name: 'deleteCode',
  input,
  strengthens: false,
  subject: ({ codeId }) => ({ codeId }),
  ask: ({ now, rules }, { codeId }) => ({ command: { type: 'DeleteCode', codeId, now, rules }, result: { codeId } }),
})
