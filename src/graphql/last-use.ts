// When keys and their codes were last used: telemetry, read from beside what they are.

import { builder } from './builder.ts'
import { AccessCode } from './code.ts'
import { ApiKey } from './key.ts'

builder.objectField(ApiKey, 'lastUsedAt', (t) =>
  t.field({
    type: 'DateTime',
    nullable: true,
    needs: 'parent',
    description:
      'When a code of it was last found VALID, or called this API. Noted beside the verdict: up to 5 seconds late, and a ' +
      'server that is killed loses as much. Null: never.',
    resolve: ({ key_id }, _arguments, { loaders }) => loaders.lastUseOfKey.load(key_id),
  }),
)

builder.objectField(AccessCode, 'lastUsedAt', (t) =>
  t.field({
    type: 'DateTime',
    nullable: true,
    needs: 'parent',
    description: 'When it was last found VALID, or called this API; up to 5 seconds late. Null: never.',
    resolve: ({ code_id }, _arguments, { loaders }) => loaders.lastUseOfCode.load(code_id),
  }),
)
