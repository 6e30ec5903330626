// updateCode: edits a code's description.
import { z } from 'zod'
import { descriptionInput, idInput, versioned } from './input.ts'
import { keyCommand } from './key-command.ts'

const input = z.object({ codeId: idInput, description: descriptionInput.nullable().optional(), ...versioned })

export const updateCode = keyCommand({
  name: 'updateCode',
  input,
  strengthens: false,
  subject: ({ codeId }) => ({ codeId }),
  ask: (_step, { codeId, description }) => ({
    command: { type: 'UpdateCode', codeId, description },
    result: { codeId },
  }),
})
