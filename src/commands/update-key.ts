// updateKey: every detail of a key can be edited; absent fields stay as they are, null clears.
import { z } from 'zod'
import { NOT_LOGGED } from '#domain/key/events.ts'
import { countActiveKeys } from './active-keys.ts'
import {
  descriptionInput,
  idInput,
  instantInput,
  loggingInput,
  metadataInput,
  namedUserInput,
  nameInput,
  permissionsInput,
  policyIdsInput,
  tagsInput,
  versioned,
} from './input.ts'
import { keyCommand } from './key-command.ts'

const input = z.object({
  keyId: idInput,
  name: nameInput.optional(),
  description: descriptionInput.nullable().optional(),
  tags: tagsInput.nullable().optional(),
  metadata: metadataInput.nullable().optional(),
  policyIds: policyIdsInput.nullable().optional(),
  permissions: permissionsInput.nullable().optional(),
  ownerId: idInput.nullable().optional(),
  actsAs: namedUserInput.nullable().optional(),
  expiresAt: instantInput.nullable().optional(),
  logging: loggingInput.nullable().optional(),
  ...versioned,
})

export const updateKey = keyCommand({
  name: 'updateKey',
  input,
  strengthens: true,
  subject: ({ keyId }) => ({ keyId }),
  givesPolicies: ({ policyIds }) => policyIds ?? [],
  givesUsers: ({ ownerId, actsAs }) => ({ ownerId, actsAs }),
  countsKeys: ({ expiresAt }) => expiresAt !== undefined,
  async ask(step, { keyId, name, description, tags, metadata, policyIds, permissions, expiresAt, logging }) {
    const activeKeyCount = expiresAt === undefined ? 0 : await countActiveKeys(step, step.key.keyspaceId, step.rules)
    return {
      command: {
        type: 'UpdateKey',
        now: step.now,
        rules: step.rules,
        activeKeyCount,
        details: {
          name,
          description,
          tags: tags === null ? [] : tags,
          metadata: metadata === null ? {} : metadata,
          policyIds: policyIds === null ? [] : policyIds,
          permissions: permissions === null ? [] : permissions,
          ...step.users,
          expiresAt,
          logging: logging === null ? NOT_LOGGED : logging,
        },
      },
      result: { keyId },
    }
  },
})
