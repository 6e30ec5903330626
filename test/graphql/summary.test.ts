import { describe, expect, test } from 'vitest'
import type { KeyDetails, NewCode } from '#domain/key/events.ts'
import { DEFAULT_RULES } from '#domain/keyspace/rules.ts'
import type { AnyFact } from '#domain/streams.ts'
import { codeNamedBy, summaryOf } from '#graphql/summary.ts'

const CODE: NewCode = {
  codeId: 'code_new',
  slot: 'SECONDARY',
  hint: 'bss_0newnewnew',
  description: null,
  expiresAt: null,
  digest: 'ab',
  secretId: 'k1',
}
const DETAILS: KeyDetails = {
  name: 'nightly export',
  description: null,
  tags: [],
  metadata: {},
  policyIds: [],
  permissions: [],
  ownerId: null,
  actsAsId: null,
  expiresAt: null,
  logging: { request: false, response: false },
}
const RULES = { name: 'reports', rules: DEFAULT_RULES }
const OVERLAP = '2026-11-22T00:00:00.000Z'

const SENTENCES: { readonly [Type in AnyFact['type']]: readonly [Extract<AnyFact, { type: Type }>['data'], string] } = {
  'account.created': [{ name: 'Acme', managementKeyspaceId: 'ks_1' }, 'root created account Acme'],
  'account.updated': [{ name: 'Acme Ltd' }, 'root renamed the account to Acme Ltd'],
  'keyspace.created': [{ ...RULES, management: false }, 'root created keyspace reports'],
  'keyspace.updated': [
    { name: 'reports', rules: { activeKeysMax: 20, secretDisplay: 'ONCE' } },
    'root changed the name, limit of active keys and showing of secrets of keyspace SUBJECT',
  ],
  'keyspace.deleted': [{}, 'root deleted keyspace SUBJECT'],
  'policy.created': [
    { name: 'reports', description: 'd', permissions: [], endpoints: [] },
    'root created policy reports',
  ],
  'policy.updated': [
    { permissions: [], endpoints: [] },
    'root changed the permissions and endpoints of policy SUBJECT',
  ],
  'policy.deleted': [{}, 'root deleted policy SUBJECT'],
  'key.created': [
    { ...DETAILS, keyspaceId: 'ks_1', enabled: true, isDefault: false, frozenPolicies: null },
    'root created key nightly export',
  ],
  'key.updated': [{ name: 'x', tags: ['a'], expiresAt: null }, 'root changed the name, tags and expiry of key SUBJECT'],
  'key.frozen': [{ frozenPolicies: [] }, 'root froze what key SUBJECT grants'],
  'key.enabled': [{}, 'root switched on key SUBJECT'],
  'key.disabled': [{}, 'root switched off key SUBJECT'],
  'key.revoked': [
    { reason: 'KEY_COMPROMISE', note: 'seen in a log' },
    'root revoked key SUBJECT because a secret may be known to others',
  ],
  'key.deleted': [{}, 'root deleted key SUBJECT'],
  'key.rotated': [
    { rotationId: 'rot_1', retiredCodeId: 'code_old', overlapEndsAt: OVERLAP, replacement: CODE },
    `root rotated secondary code bss_0newnewnew into key SUBJECT in place of HINT, which may still be used until ${OVERLAP}`,
  ],
  'code.issued': [CODE, 'root issued secondary code bss_0newnewnew to key SUBJECT, which never expires'],
  'code.updated': [
    { codeId: 'code_old', description: null },
    'root changed the description of code HINT of key SUBJECT',
  ],
  'code.enabled': [{ codeId: 'code_old' }, 'root switched on code HINT of key SUBJECT'],
  'code.disabled': [{ codeId: 'code_old' }, 'root switched off code HINT of key SUBJECT'],
  'code.revealed': [{ codeId: 'code_old' }, 'root was shown the secret of code HINT of key SUBJECT'],
  'code.deleted': [{ codeId: 'code_old' }, 'root deleted code HINT of key SUBJECT'],
  'key.linked': [
    { keyId: 'key_1', keyspaceId: null, policyIds: ['pol_1'] },
    "root linked key SUBJECT, which is another account's",
  ],
  'link.updated': [{ policyIds: ['pol_2'] }, 'root changed the policies of linked key SUBJECT'],
  'key.unlinked': [{}, 'root unlinked key SUBJECT'],
  'user.added': [{ role: 'MEMBER', permissions: [] }, 'root added user SUBJECT as MEMBER'],
  'user.updated': [{ role: 'AUDITOR', permissions: [] }, 'root changed the role and permissions of user SUBJECT'],
  'user.removed': [{}, 'root removed user SUBJECT'],
}

const LABELS = { actor: 'root', subject: 'SUBJECT', hint: 'HINT' }

describe('the summary of an event', () => {
  test.each(Object.entries(SENTENCES))('%s', (type, [data, sentence]) => {
    expect(summaryOf({ type, data } as AnyFact, LABELS)).toBe(sentence)
  })

  test('says when a replaced code stopped at once', () => {
    const data = { rotationId: 'rot_1', retiredCodeId: 'code_old', overlapEndsAt: null, replacement: CODE }
    expect(summaryOf({ type: 'key.rotated', data }, LABELS)).toMatch(/in place of HINT, which stopped at once$/)
  })

  test('gives no reason where none was given', () => {
    const data = { reason: 'UNSPECIFIED', note: null } as const
    expect(summaryOf({ type: 'key.revoked', data }, LABELS)).toBe('root revoked key SUBJECT')
  })

  test('says that it was the display name where an event tells nothing else', () => {
    expect(summaryOf({ type: 'user.updated', data: {} }, LABELS)).toBe('root changed the display name of user SUBJECT')
  })

  test('names every rule of a keyspace that changed, and no other', () => {
    const sentences = Object.entries(DEFAULT_RULES).map(([rule, value]) =>
      summaryOf({ type: 'keyspace.updated', data: { rules: { [rule]: value } } }, LABELS),
    )
    expect(new Set(sentences).size).toBe(sentences.length)
    for (const sentence of sentences) expect(sentence).toMatch(/^root changed the [a-z' ]+ of keyspace SUBJECT$/)
    const renamed = summaryOf({ type: 'keyspace.updated', data: { name: 'x' } }, LABELS)
    expect(renamed).toBe('root changed the name of keyspace SUBJECT')
  })

  test('names a single change as such', () => {
    expect(summaryOf({ type: 'key.updated', data: { metadata: {} } }, LABELS)).toBe(
      'root changed the metadata of key SUBJECT',
    )
  })

  test('asks for the hint of a code exactly where it names one by its id alone', () => {
    for (const [type, [data, sentence]] of Object.entries(SENTENCES))
      expect(codeNamedBy({ type, data } as AnyFact), type).toBe(sentence.includes('HINT') ? 'code_old' : null)
  })
})
