// enableCode: switches a code on again.
import { z } from 'zod'
import { idInput, versioned } from './input.ts'
import { keyCommand } from './key-command.ts'

const input = z.object({ codeId: idInput, ...versioned })

export const enableCode = keyCommand({
  name: 'enableCode',
  input,
  strengthens: true,
  subject: ({ codeId }) => ({ codeId }),
  ask: ({ now }, { codeId }) => ({ command: { type: 'EnableCode', codeId, now }, result: { codeId } }),
})
