// disableCode: switches a code off; one in overlap ends for good.
import { z } from 'zod'
import { idInput, versioned } from './input.ts'
import { keyCommand } from './key-command.ts'

const input = z.object({ codeId: idInput, ...versioned })

export const disableCode = keyCommand({
  name: 'disableCode',
  input,
  strengthens: false,
  subject: ({ codeId }) => ({ codeId }),
  ask: ({ now }, { codeId }) => ({ command: { type: 'DisableCode', codeId, now }, result: { codeId } }),
})
