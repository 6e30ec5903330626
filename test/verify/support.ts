// What the shortest of answers says.
import type { Instant } from '#domain/instant.ts'
import { verdictMessage } from '#domain/verdict.ts'
import type { Verification } from '#verify/verify-keys.ts'

/** All that is told of a secret that does not exist, or that is none of the caller's business. */
export const tellsNothing = (code: 'MALFORMED' | 'NOT_FOUND', checkedAt: Instant): Verification => ({
  valid: false,
  code,
  message: verdictMessage(code),
  checkedAt,
  position: null,
  accountId: null,
  keyspaceId: null,
  keyId: null,
  codeId: null,
  linkId: null,
  slot: null,
  name: null,
  owner: null,
  actsAs: null,
  tags: [],
  metadata: null,
  permissions: [],
  expiresAt: null,
  logging: null,
})
