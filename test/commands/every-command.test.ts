// What holds for every command alike: what it makes, who may ask, what is not found, what has moved on, what is remembered.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Origin } from '#commands/command.ts'
import { DenialError } from '#domain/caller.ts'
import { ID_KINDS } from '#domain/ids.ts'
import { MANAGEMENT_PERMISSIONS } from '#domain/permission.ts'
import { newId } from '#secret/ids.ts'
import { createTestDatabase, type TestDatabase } from '#test/support/database.ts'
import { type MadeAccount, type TestServices, testServices, tracesIn } from '#test/support/services.ts'
import { everyCommand } from '../contract/every-mutation.ts'
import { type Case, cases } from './cases.ts'

let database: TestDatabase
let at: TestServices
let own: MadeAccount
let foreign: MadeAccount
let stranger: Origin
beforeAll(async () => {
  database = await createTestDatabase()
  at = testServices(database.serving)
  own = await at.createAccount()
  foreign = await at.createAccount('Foreign')
  stranger = (await at.createCaller(foreign, ['*'])).origin
})
afterAll(() => database.drop())

async function leavesNothing<T>(work: () => Promise<T>): Promise<T> {
  const before = await tracesIn(database.owner)
  const result = await work()
  expect(await tracesIn(database.owner)).toEqual(before)
  return result
}

const callerWith = (permissions: readonly string[], account = own): Origin => ({
  caller: { kind: 'KEY', keyId: newId('key', 0), codeId: newId('code', 0), accountId: account.accountId, permissions },
  correlationId: 'test',
})

test('the cases are all the commands there are', async () => {
  const names = (await everyCommand()).map(({ name }) => name).sort()
  expect(cases.map(({ name }) => name).sort()).toEqual(names)
})

describe.each(cases)(
  '$name',
  ({ command, id, versioned, neverRetried, gives = [], events, secrets, prepare }: Case) => {
    const idempotencyKey = `of ${command.name}`

    test('makes its events and answers with their ids and its secrets', async () => {
      const input = await prepare(at, own)
      const outcome = await at.done(command, input)
      expect(outcome.secrets.size).toBe(secrets)
      for (const secret of outcome.secrets.values()) expect(secret.reveal()).toMatch(/^[a-z0-9_]+_\w{10}_\w{38}$/)
      const { rows } = await database.owner.pool.query(
        'SELECT event_id, type, account_id, actor_kind FROM log.event WHERE event_id = ANY ($1) ORDER BY position',
        [outcome.eventIds],
      )
      expect(rows.map(({ type }) => type)).toEqual(events)
      expect(rows.map(({ event_id }) => event_id)).toEqual(outcome.eventIds)
      for (const row of rows) expect(row).toMatchObject({ account_id: outcome.accountId, actor_kind: 'ROOT' })
      if (id !== null && id !== 'keyspaceId' && id !== 'accountId')
        expect(outcome.result).toMatchObject({ [id]: input[id] })
    })

    test('is denied, whatever the input, to who lacks its permission, and only to them', async () => {
      const needed = command.permission
      const others = MANAGEMENT_PERMISSIONS.filter((permission) => permission !== needed)
      const lacking = callerWith(needed === 'root' ? ['*'] : others)
      const input = await prepare(at, own)
      await leavesNothing(async () => {
        for (const asked of [input, {}, null, { ...input, name: 5 }, { ...input, [id ?? 'name']: 'nothing' }]) {
          const denied = at.run(command, asked && { ...asked, idempotencyKey }, lacking)
          await expect(denied).rejects.toThrow(DenialError)
          await expect(denied).rejects.toMatchObject({ code: 'FORBIDDEN' })
        }
      })
      expect((await at.run(command, input, needed === 'root' ? at.root : callerWith([needed, ...gives]))).kind).toBe(
        'done',
      )
    })

    test('looks nothing up for an input that is wrong', async () => {
      const input = { ...(await prepare(at, own)), [id ?? 'name']: 5, idempotencyKey }
      await leavesNothing(async () => {
        expect(await at.refusal(command, input)).toMatchObject({
          code: 'INVALID_INPUT',
          issues: [{ path: [id ?? 'name'] }],
        })
        if (neverRetried) return
        expect(await at.refusal(command, { ...input, [id ?? 'name']: 'nothing', idempotencyKey: ' ' })).toMatchObject({
          code: 'INVALID_INPUT',
          issues: [{ path: ['idempotencyKey'] }],
        })
      })
    })

    if (id !== null)
      test('does not find what is ill-formed, unknown or another account’s, all with one answer', async () => {
        const input = await prepare(at, own)
        const ids = [
          '',
          'x',
          "' OR 1=1 --",
          '%',
          '\0',
          '\ud800',
          `${input[id]} `,
          `${input[id]}0`,
          String(input[id]).toUpperCase(),
          ...ID_KINDS.map((kind) => newId(kind, 0)),
          ...ID_KINDS.map((kind) => newId(kind, 3843)),
          own.accountId === input[id] ? own.managementKeyspaceId : own.accountId,
          '0'.repeat(1_000_000),
        ]
        await leavesNothing(async () => {
          for (const unknown of ids)
            for (const extra of [{}, { expectedVersion: 99 }])
              expect(await at.refusal(command, { ...input, [id]: unknown, ...extra, idempotencyKey })).toEqual({
                code: 'NOT_FOUND',
                subjectId: unknown.toWellFormed(),
              })
          for (const extra of [{}, { expectedVersion: 99 }, { expectedVersion: 1 }])
            expect(await at.refusal(command, { ...input, ...extra, idempotencyKey }, stranger)).toEqual({
              code: 'NOT_FOUND',
              subjectId: input[id],
            })
        })
        // It was there to be found.
        expect((await at.done(command, input)).eventIds).toHaveLength(events.length)
      })

    if (versioned)
      test('changes nothing where the thing has moved on from expectedVersion', async () => {
        const input = await prepare(at, own)
        const version = await versionOf(input)
        await leavesNothing(async () => {
          for (const expectedVersion of [0, version - 1, version + 1, -1])
            expect(await at.refusal(command, { ...input, expectedVersion, idempotencyKey })).toEqual({
              code: 'CONFLICT',
              expectedVersion,
              actualVersion: version,
            })
          for (const expectedVersion of ['1', 1.5, Number.NaN])
            expect(await at.refusal(command, { ...input, expectedVersion })).toMatchObject({
              code: 'INVALID_INPUT',
              issues: [{ path: ['expectedVersion'] }],
            })
        })
        expect((await at.done(command, { ...input, expectedVersion: version })).eventIds).toHaveLength(events.length)
        expect((await at.done(command, { ...(await prepare(at, own)), expectedVersion: null })).eventIds).not.toEqual(
          [],
        )
      })

    test.skipIf(neverRetried)(
      'answers a retry with the first outcome, makes nothing new and tells no secret again',
      async () => {
        const input = { ...(await prepare(at, own)), idempotencyKey }
        const first = await at.done(command, input)
        const before = await tracesIn(database.owner)
        at.clock.advance(1_000)
        const { secrets: again, ...replayed } = await at.done(command, input)
        const { secrets: _, ...told } = first
        expect(replayed).toEqual(told)
        expect(again.size).toBe(0)
        expect(await tracesIn(database.owner)).toEqual(before)
      },
    )

    test.skipIf(neverRetried)('refuses a retry with another input', async () => {
      const key = `${idempotencyKey} again`
      const input = await prepare(at, own)
      await at.done(command, { ...input, idempotencyKey: key })
      const others = [{ ...input, [id ?? 'name']: 'other' }, ...(versioned ? [{ ...input, expectedVersion: 1 }] : [])]
      await leavesNothing(async () => {
        for (const other of others)
          expect(await at.refusal(command, { ...other, idempotencyKey: key })).toEqual({
            code: 'IDEMPOTENCY_KEY_REUSED',
          })
      })
    })
  },
)

async function versionOf(input: Readonly<Record<string, unknown>>): Promise<number> {
  const { rows } = await database.owner.pool.query<{ version: number }>(
    `SELECT version FROM log.stream WHERE stream_id IN ($1, $2, $4)
      UNION ALL SELECT s.version FROM log.stream s JOIN state.code c ON c.key_id = s.stream_id WHERE c.code_id = $3`,
    [input.keyspaceId ?? input.userId ?? input.linkId, input.keyId, input.codeId, input.policyId],
  )
  return rows[0]?.version ?? Number.NaN
}
