// revokeKey: ends a key for good; no mutation undoes it.
import { z } from 'zod'
import { idInput, noteInput, reasonInput, versioned } from './input.ts'
import { keyCommand } from './key-command.ts'
import { ended, replaceDefaultKey } from './replace-default-key.ts'

const input = z.object({ keyId: idInput, reason: reasonInput, note: noteInput.nullish(), ...versioned })

export const revokeKey = keyCommand({
  name: 'revokeKey',
  input,
  strengthens: false,
  subject: ({ keyId }) => ({ keyId }),
  ask: (_step, { keyId, reason, note }) => ({
    command: { type: 'RevokeKey', reason, note: note ?? null },
    result: ended(keyId),
  }),
  endsDefaultKey: replaceDefaultKey,
})
