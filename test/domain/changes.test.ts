// What events changed, of the golden lives in schema/events and of random ones.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Change, changesOf } from '#domain/changes.ts'
import type { Json } from '#domain/key/events.ts'
import { evolveStream, newStream, type Stream } from '#domain/streams.ts'
import type { EventBody } from '#log/body.ts'
import { eventSchemas, upcast } from '#log/upcast.ts'
import { anySteps, live } from './key/random-life.ts'

const FOLDER = join(import.meta.dirname, '../../schema/events')
const newest = new Set(Object.entries(eventSchemas).map(([type, { version }]) => `${type}.v${version}.json`))
const samples = readdirSync(FOLDER)
  .filter((file) => newest.has(file))
  .map((file) => JSON.parse(readFileSync(join(FOLDER, file), 'utf8')) as EventBody)
  .toSorted((a, b) => a.version - b.version)

type Step = { readonly type: string; readonly before: Stream; readonly after: Stream }

const steps: readonly Step[] = [...Map.groupBy(samples, (sample) => sample.streamId).values()].flatMap((life) => {
  let stream: Stream = newStream(life[0]?.streamKind ?? 'key', life[0]?.streamId ?? '', life[0]?.accountId ?? '')
  return life.map(({ type, schemaVersion, data, decidedAt: at, actor, version }) => {
    const before = stream
    stream = evolveStream(stream, { ...upcast(type, schemaVersion, data), at, actor, version })
    return { type, before, after: stream }
  })
})

const short = (changes: readonly Change[]) => changes.map(({ field }) => field.replace(/code_\w+/, '<code>'))

const CREATED = 'everything'
const FIELDS: { readonly [Type in keyof typeof eventSchemas]: readonly string[] | typeof CREATED } = {
  'account.created': CREATED,
  'account.updated': ['name'],
  'keyspace.created': CREATED,
  'keyspace.updated': [
    'name',
    ...['activeKeysMax', 'codeDeletion', 'managedBy', 'upstreamUserRequired', 'presentations'].map(
      (rule) => `rules.${rule}`,
    ),
  ],
  'keyspace.deleted': ['deletedAt'],
  'policy.created': CREATED,
  'policy.updated': ['name', 'description', 'permissions'],
  'policy.deleted': ['deletedAt'],
  'key.created': CREATED,
  'key.updated': [
    'name',
    'description',
    'tags',
    'metadata',
    'policyIds',
    'permissions',
    'actsAsId',
    'expiresAt',
    'logging',
  ],
  'key.frozen': ['frozenPolicies'],
  'key.enabled': ['enabled'],
  'key.disabled': ['enabled'],
  'key.revoked': ['revocation.reason', 'revocation.note', 'revocation.at'],
  'key.deleted': ['deletedAt'],
  'key.rotated': ['codes.<code>.replacedAt', 'codes.<code>.replacedById', 'codes.<code>.overlapEndsAt', 'codes.<code>'],
  'code.issued': ['codes.<code>'],
  'code.updated': ['codes.<code>.description'],
  'code.enabled': ['codes.<code>.enabled'],
  'code.disabled': ['codes.<code>.enabled'],
  'code.deleted': ['codes.<code>.overlapEndsAt', 'codes.<code>.deletedAt'],
  'code.revealed': [],
  'key.linked': CREATED,
  'link.updated': ['policyIds'],
  'key.unlinked': ['unlinkedAt'],
  'user.added': CREATED,
  'user.updated': ['role', 'permissions'],
  'user.removed': ['removedAt'],
  'user.erased': ['erasedAt'],
}

describe('what an event changed', () => {
  test.each(Object.entries(FIELDS))('%s', (type, fields) => {
    const step = steps.find((one) => one.type === type)
    if (step === undefined) throw new Error(`There is no ${type}`)
    const changes = changesOf(step.before, step.after)
    if (fields !== CREATED) expect(short(changes)).toEqual(fields)
    else {
      expect(changes.length).toBeGreaterThan(1)
      for (const { before, after } of changes) expect([before, after === null]).toEqual([null, false])
    }
  })

  test('is told with what was before and after', () => {
    const renamed = steps.find(({ type }) => type === 'account.updated')
    if (renamed === undefined) throw new Error('There is no such event')
    expect(changesOf(renamed.before, renamed.after)).toEqual([{ field: 'name', before: 'Acme', after: 'Acme Ltd' }])
  })

  test('is all of it: no field of a state is left out but instants and actors that the event itself has', () => {
    const OF_THE_EVENT = ['status', 'createdAt', 'createdBy', 'updatedAt', 'linkedAt', 'linkedBy']
    const ELSEWHERE = ['rules', 'codes', 'rotations', 'revocation']
    for (const { after } of steps) {
      const told = new Set(changesOf(newStream(after.kind, after.id, after.accountId), after).map(({ field }) => field))
      for (const [name, value] of Object.entries(after.state))
        if (value !== null && ![...OF_THE_EVENT, ...ELSEWHERE].includes(name))
          expect(told, `${after.kind}.${name}`).toContain(name)
    }
  })

  test('holds no digest and no name of the secret that one was made under', () => {
    const told = JSON.stringify(steps.map(({ before, after }) => changesOf(before, after)))
    expect(told).not.toMatch(/digest|secretId/)
    const codes = samples.flatMap(({ data }) => ('digest' in data ? [data.digest] : []))
    expect(codes.length).toBeGreaterThan(0)
    for (const digest of codes) expect(told).not.toContain(digest)
  })

  test('added up is what there is: each begins where the one before left off', () => {
    fc.assert(
      fc.property(anySteps, (random) => {
        const seen = new Map<string, Json>()
        let stream: Stream<'key'> = newStream('key', 'key_1', 'acct_1')
        for (const { now: at, decision } of live(random))
          for (const fact of decision.kind === 'accepted' ? decision.facts : []) {
            const before = stream
            stream = evolveStream(stream, {
              ...fact,
              at,
              actor: { kind: 'ROOT', id: null },
              version: before.version + 1,
            })
            for (const change of changesOf(before, stream)) {
              const [, codeId = '', member = ''] = /^codes\.([^.]+)\.(.+)$/.exec(change.field) ?? []
              const code = seen.get(`codes.${codeId}`) as Record<string, Json> | undefined
              expect(change.before).toEqual(code === undefined ? (seen.get(change.field) ?? null) : code[member])
              if (code === undefined) seen.set(change.field, change.after)
              else seen.set(`codes.${codeId}`, { ...code, [member]: change.after })
            }
          }
        const { state } = stream
        if (state.status === 'none') throw new Error('There is a key')
        const { name, enabled, tags } = state
        const told = { name: seen.get('name'), enabled: seen.get('enabled'), tags: seen.get('tags') }
        expect(told).toEqual({ name, enabled, tags })
        for (const { codeId, slot, hint, description, replacedAt, overlapEndsAt, deletedAt } of state.codes)
          expect(seen.get(`codes.${codeId}`)).toMatchObject({
            ...{ slot, hint, description, replacedAt, overlapEndsAt, deletedAt },
          })
      }),
      { numRuns: 100 },
    )
  })
})
