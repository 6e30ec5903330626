// disableKey: switches a key off, until it is enabled.
import { z } from 'zod'
import { idInput, versioned } from './input.ts'
import { keyCommand } from './key-command.ts'

const input = z.object({ keyId: idInput, ...versioned })

export const disableKey = keyCommand({
  name: 'disableKey',
  input,
  strengthens: false,
  subject: ({ keyId }) => ({ keyId }),
  ask: (_step, { keyId }) => ({ command: { type: 'DisableKey' }, result: { keyId } }),
})
