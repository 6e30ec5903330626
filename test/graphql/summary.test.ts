import { describe, expect, test } from 'vitest'
import type { KeyDetails, NewCode } from '#domain/key/events.ts'
import { DEFAULT_RULES } from '#domain/keyspace/rules.ts'
import type { AnyFact } from '#domain/streams.ts'
import { codeNamedBy, idsNamedBy, type Labels, summaryOf } from '#graphql/summary.ts'

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
  'account.updated': [{ name: 'Acme Ltd' }, 'root renamed account FORMER to SUBJECT'],
  'keyspace.created': [{ ...RULES, management: false }, 'root created keyspace reports'],
  'keyspace.updated': [
    { name: 'reports', rules: { activeKeysMax: 20, secretDisplay: 'ONCE', defaultKeys: false } },
    'root renamed keyspace FORMER to SUBJECT, and changed it: limit of active keys now 20; showing of secrets now ONCE; default ' +
      'keys now off, so that none that was kept can be shown again',
  ],
  'keyspace.deleted': [{}, 'root deleted keyspace SUBJECT for good'],
  'policy.created': [
    {
      name: 'reports',
      description: 'd',
      permissions: ['a.read', 'b.*'],
      endpoints: [{ methods: ['GET'], path: '/v1/*' }],
    },
    'root created policy reports, which grants a.read and b.* at one endpoint',
  ],
  'policy.updated': [
    { permissions: ['ads.read'], endpoints: [] },
    'root changed policy SUBJECT: permissions now ads.read; endpoints changed; keys and links that hold it grant that at once, ' +
      'unless they are frozen',
  ],
  'policy.deleted': [{}, 'root deleted policy SUBJECT for good'],
  'key.created': [
    {
      ...DETAILS,
      ...{ keyspaceId: 'ks_1', enabled: false, isDefault: false, frozenPolicies: null },
      ...{ policyIds: ['pol_1', 'pol_2'], permissions: ['x'], ownerId: 'usr_1', actsAsId: 'usr_2', expiresAt: OVERLAP },
    },
    'root created key nightly export in keyspace main for Ann Lee with policies Ads and Reports and permissions x, acting as ' +
      `Bob, which expires at ${OVERLAP}, switched off as yet`,
  ],
  'key.updated': [
    {
      name: 'x',
      tags: ['a', 'b'],
      expiresAt: null,
      description: null,
      metadata: {},
      policyIds: ['pol_1'],
      ownerId: 'usr_1',
    },
    'root renamed key FORMER to SUBJECT, and changed it: policies now Ads; expiry now none; owner now Ann Lee; description taken ' +
      'away; tags now a and b; metadata changed',
  ],
  'key.frozen': [{ frozenPolicies: [] }, 'root froze what key SUBJECT grants, whatever becomes of its policies'],
  'key.enabled': [{}, 'root switched on key SUBJECT, whose codes may be used again'],
  'key.disabled': [{}, 'root switched off key SUBJECT, which opens nothing until it is switched on again'],
  'key.revoked': [
    { reason: 'KEY_COMPROMISE', note: 'seen in a log' },
    'root revoked key SUBJECT because a secret may be known to others (“seen in a log”); all its codes stopped at once and for good',
  ],
  'key.deleted': [{}, 'root deleted key SUBJECT for good; its history stays'],
  'key.rotated': [
    { rotationId: 'rot_1', retiredCodeId: 'code_old', overlapEndsAt: OVERLAP, replacement: CODE },
    `root rotated the SECONDARY code of key SUBJECT; the old one, HINT, may still be used until ${OVERLAP}, the new one is ` +
      'bss_0newnewnew, which never expires',
  ],
  'code.issued': [CODE, 'root issued SECONDARY code bss_0newnewnew to key SUBJECT, which never expires'],
  'code.updated': [
    { codeId: 'code_old', description: 'on host 7' },
    'root described PRIMARY code HINT of key SUBJECT as “on host 7”',
  ],
  'code.enabled': [
    { codeId: 'code_old' },
    'root switched on PRIMARY code HINT of key SUBJECT, which may be used again',
  ],
  'code.disabled': [
    { codeId: 'code_old' },
    'root switched off PRIMARY code HINT of key SUBJECT, which opens nothing while it is off',
  ],
  'code.revealed': [{ codeId: 'code_old' }, 'root was shown the secret of PRIMARY code HINT of key SUBJECT'],
  'code.deleted': [
    { codeId: 'code_old' },
    'root deleted PRIMARY code HINT of key SUBJECT, which opens nothing any more',
  ],
  'key.linked': [
    { keyId: 'key_1', keyspaceId: 'ks_1', policyIds: ['pol_1'] },
    "root linked key SUBJECT, which is another account's, into keyspace main with policies Ads",
  ],
  'link.updated': [{ policyIds: ['pol_2'] }, 'root changed linked key SUBJECT: policies now Reports'],
  'key.unlinked': [{}, 'root unlinked key SUBJECT, which opens nothing here any more'],
  'user.added': [
    { role: 'MEMBER', permissions: ['ads.*'] },
    'root added user SUBJECT as MEMBER, who may do ads.* in the application',
  ],
  'user.updated': [
    { role: 'AUDITOR', permissions: [] },
    'root changed user SUBJECT: role now AUDITOR; permissions now none',
  ],
  'user.removed': [{}, 'root removed user SUBJECT for good'],
  'user.erased': [{}, 'root erased a user for good: who they were is kept no more'],
}

function turned(fields: object): object {
  return Object.fromEntries(Object.entries(fields).toReversed())
}

const names = new Map([
  ['ks_1', 'main'],
  ['pol_1', 'Ads'],
  ['pol_2', 'Reports'],
  ['usr_1', 'Ann Lee'],
  ['usr_2', 'Bob'],
])
const LABELS: Labels = { actor: 'root', subject: 'SUBJECT', hint: 'HINT', slot: 'PRIMARY', names }

describe('the summary of an event', () => {
  test.each(Object.entries(SENTENCES))('%s', (type, [data, sentence]) => {
    const formerly = type.endsWith('.updated') && 'name' in data ? 'FORMER' : 'SUBJECT'
    expect(summaryOf({ type, data } as AnyFact, { ...LABELS, formerly })).toBe(sentence)
  })

  test('tells a new name with the old one, and nothing else where nothing else changed', () => {
    for (const type of ['key.updated', 'policy.updated', 'keyspace.updated'] as const)
      expect(summaryOf({ type, data: { name: 'second' } }, { ...LABELS, formerly: 'first', subject: 'second' })).toBe(
        `root renamed ${type.split('.')[0]} first to second`,
      )
  })

  test('says when a replaced code stopped at once', () => {
    const data = { rotationId: 'rot_1', retiredCodeId: 'code_old', overlapEndsAt: null, replacement: CODE }
    expect(summaryOf({ type: 'key.rotated', data }, LABELS)).toMatch(
      /SECONDARY code of key SUBJECT; the old one, HINT, stopped at once, /,
    )
  })

  test('says that the end of an overlap is for good', () => {
    const data = { codeId: 'code_old' }
    expect(summaryOf({ type: 'code.disabled', data }, { ...LABELS, isReplaced: true })).toBe(
      'root switched off PRIMARY code HINT of key SUBJECT, which ended the overlap in which it still worked: it opens nothing any ' +
        'more, for good',
    )
  })

  test('gives no reason where none was given', () => {
    const data = { reason: 'UNSPECIFIED', note: null } as const
    expect(summaryOf({ type: 'key.revoked', data }, LABELS)).toBe(
      'root revoked key SUBJECT; all its codes stopped at once and for good',
    )
  })

  test('says that it was the display name where an event tells nothing else', () => {
    expect(summaryOf({ type: 'user.updated', data: {} }, LABELS)).toBe('root changed the display name of user SUBJECT')
  })

  test('says that it was the display name beside all else that it tells', () => {
    const labels = { ...LABELS, personal: ['displayName'] }
    expect(summaryOf({ type: 'user.updated', data: { role: 'AUDITOR' } }, labels)).toBe(
      'root changed user SUBJECT: role now AUDITOR; and the display name',
    )
  })

  test('calls nobody a user who is told as an erased one', () => {
    const labels = { ...LABELS, subject: 'an erased user', personal: ['displayName'] }
    const told = (fact: AnyFact) => summaryOf(fact, labels)
    const added: AnyFact = { type: 'user.added', data: { role: 'MEMBER', permissions: [] } }
    expect(told(added)).toMatch(/^root added an erased user as /)
    expect(told({ type: 'user.updated', data: {} })).toBe('root changed the display name of an erased user')
    expect(told({ type: 'user.updated', data: { role: 'MEMBER' } })).toMatch(/^root changed an erased user: /)
    expect(told({ type: 'user.removed', data: {} })).toBe('root removed an erased user for good')
  })

  test('names every rule of a keyspace that changed, and no other', () => {
    const sentences = Object.entries(DEFAULT_RULES).map(([rule, value]) =>
      summaryOf({ type: 'keyspace.updated', data: { rules: { [rule]: value } } }, LABELS),
    )
    expect(new Set(sentences).size).toBe(sentences.length)
    for (const sentence of sentences)
      expect(sentence).toMatch(/^root changed keyspace SUBJECT: [a-z' ]+ (now .+|changed)$/)
  })

  test('tells what matters most first, in whatever order it is stored', () => {
    const told = (type: 'key.updated' | 'keyspace.updated', data: object) =>
      summaryOf({ type, data } as AnyFact, LABELS).replace('root changed ', '')
    const change = { tags: ['t'], logging: {}, expiresAt: null, policyIds: ['pol_1'], permissions: ['a'] }
    const rules = { prefix: 'p', secretDisplay: 'REVEALABLE', activeKeysMax: 2, managedBy: 'OWNERS' }
    for (const turn of [(fields: object) => fields, turned]) {
      expect(told('key.updated', turn(change))).toBe(
        'key SUBJECT: permissions now a; policies now Ads; expiry now none; tags now t; logging of bodies changed',
      )
      expect(told('keyspace.updated', { rules: turn(rules) })).toBe(
        'keyspace SUBJECT: managers of keys now OWNERS; limit of active keys now 2; showing of secrets now REVEALABLE; prefix now p',
      )
    }
  })

  test('tells long lists by their beginning', () => {
    const tags = ['a', 'b', 'c', 'd', 'e', 'f', 'g']
    expect(summaryOf({ type: 'key.updated', data: { tags } }, LABELS)).toBe(
      'root changed key SUBJECT: tags now a, b, c, d, e and 2 more',
    )
  })

  test('calls by their ids what has no name', () => {
    const { names: _, slot: __, ...bare } = LABELS
    const data = { keyId: 'key_1', keyspaceId: null, policyIds: ['pol_1', 'pol_2'] }
    expect(summaryOf({ type: 'key.linked', data }, bare)).toMatch(
      / into all of the account with policies pol_1 and pol_2$/,
    )
    expect(summaryOf({ type: 'code.revealed', data: { codeId: 'code_old' } }, bare)).toMatch(/ of code HINT of key /)
  })

  test('asks for the names of what it names', () => {
    for (const [type, [data, sentence]] of Object.entries(SENTENCES)) {
      const asked = idsNamedBy({ type, data } as AnyFact)
      for (const [id, name] of names)
        expect(asked.includes(id), `${type} ${id}`).toBe(new RegExp(`\\b${name}\\b`).test(sentence))
    }
  })

  test('asks for the hint of a code exactly where it names one by its id alone', () => {
    for (const [type, [data, sentence]] of Object.entries(SENTENCES))
      expect(codeNamedBy({ type, data } as AnyFact), type).toBe(sentence.includes('HINT') ? 'code_old' : null)
  })
})
