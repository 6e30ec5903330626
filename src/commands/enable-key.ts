// enableKey: switches a key on again.
import { z } from 'zod'
import { idInput, versioned } from './input.ts'
import { keyCommand } from './key-command.ts'

const input = z.object({ keyId: idInput, ...versioned })

export const enableKey = keyCommand({
  name: 'enableKey',
  input,
  strengthens: true,
  subject: ({ keyId }) => ({ keyId }),
  ask: (_step, { keyId }) => ({ command: { type: 'EnableKey' }, result: { keyId } }),
})
