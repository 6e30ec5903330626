// Commands that contradict each other, at once: one comes first, the other finds things as the first left them.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  CreateKeyDocument,
  CreateKeyspaceDocument,
  DeleteKeyspaceDocument,
  DisableKeyDocument,
  EnableKeyDocument,
  IssueCodeDocument,
  KeyDocument,
  RevokeKeyDocument,
  RotateKeyDocument,
  RotationsDocument,
  UpdateKeyDocument,
} from '#test/generated/operations.ts'
import {
  atOnce,
  historyOf,
  inspect,
  isSuccess,
  mutate,
  openArena,
  outcomeOf,
  RACE_TIMEOUT_MS,
  rounds,
  tally,
  times,
  verdictsOn,
} from './arena.ts'

const arena = await openArena()
const { app } = arena
let accountId: string
let keyspaceId: string
beforeAll(async () => {
  accountId = (await app.createAccount()).accountId
  keyspaceId = await app.createKeyspace(accountId)
})
afterAll(() => app.close())

const rotate = (keyId: string, overlapSeconds = 0) => mutate(app, RotateKeyDocument, { keyId, overlapSeconds })
const revoke = (keyId: string) => mutate(app, RevokeKeyDocument, { keyId })

describe('rotations', { timeout: RACE_TIMEOUT_MS }, () => {
  test.each([0, 60])('at once come one after the other, and the chain has no gap (overlap %i s)', async (overlap) => {
    await rounds(async (round) => {
      const { keyId, codeId, secret } = await app.createKey(keyspaceId)
      const results = await atOnce(
        round,
        times(5, () => () => rotate(keyId, overlap)),
      )
      expect(tally(results)).toEqual({ done: 5 })

      const { key } = await app.ask(RotationsDocument, { keyId })
      const chain = key!.rotations.nodes.toReversed()
      expect(chain.map(({ retired }) => retired.id)).toEqual([
        codeId,
        ...chain.slice(0, -1).map(({ replacement }) => replacement.id),
      ])
      const secrets = results.filter(isSuccess).map(({ issued }) => issued.secret!)
      const verdicts = await verdictsOn(app, [secret, ...secrets])
      const good = verdicts.filter((verdict) => verdict === 'VALID').length
      expect(good, 'the newest, and with an overlap the one before').toBe(overlap > 0 ? 2 : 1)
      expect(verdicts.filter((verdict) => verdict === 'REPLACED')).toHaveLength(6 - good)
    })
  })
})

describe('a revocation', { timeout: RACE_TIMEOUT_MS }, () => {
  test('and a rotation: whichever comes first, no secret is good afterwards', async () => {
    await rounds(async (round) => {
      const { keyId, secret } = await app.createKey(keyspaceId)
      const [revoked, rotated] = await atOnce(round, [() => revoke(keyId), () => rotate(keyId, 3_600)])
      expect(outcomeOf(revoked)).toBe('done')
      expect(outcomeOf(rotated)).toBeOneOf(['done', 'KEY_REVOKED'])
      const replacement = isSuccess(rotated) ? [rotated.issued.secret!] : []
      expect(new Set(await verdictsOn(app, [secret, ...replacement]))).toEqual(new Set(['REVOKED']))
      const rotations = isSuccess(rotated) ? ['key.rotated'] : []
      expect(await historyOf(app, keyId)).toEqual(['key.created', 'code.issued', ...rotations, 'key.revoked'])
    })
  })

  test('and an issue: whichever comes first, no secret is good afterwards', async () => {
    await rounds(async (round) => {
      const { keyId, secret } = await app.createKey(keyspaceId)
      const issue = () => mutate(app, IssueCodeDocument, { keyId })
      const [revoked, issued] = await atOnce(round, [() => revoke(keyId), issue])
      expect(outcomeOf(revoked)).toBe('done')
      expect(outcomeOf(issued)).toBeOneOf(['done', 'KEY_REVOKED'])
      const second = isSuccess(issued) ? [issued.issued.secret!] : []
      expect(new Set(await verdictsOn(app, [secret, ...second]))).toEqual(new Set(['REVOKED']))
    })
  })

  test('asked for ten times is one event', async () => {
    await rounds(async (round) => {
      const { keyId } = await app.createKey(keyspaceId)
      const results = await atOnce(
        round,
        times(10, () => () => revoke(keyId)),
      )
      expect(tally(results)).toEqual({ done: 10 })
      expect(results.filter(isSuccess).filter(({ events }) => events.length > 0)).toHaveLength(1)
      expect(new Set(results.filter(isSuccess).map(({ key }) => JSON.stringify(key))).size).toBe(1)
    })
  })
})

describe('a keyspace', { timeout: RACE_TIMEOUT_MS }, () => {
  test('is deleted, or gets a key, never both', async () => {
    await rounds(async (round) => {
      const doomed = await app.createKeyspace(accountId)
      const [deleted, ...created] = await atOnce(round, [
        () => mutate(app, DeleteKeyspaceDocument, { keyspaceId: doomed }),
        ...times(3, () => () => mutate(app, CreateKeyDocument, { keyspaceId: doomed, name: 'late' })),
      ])
      expect([outcomeOf(deleted!), tally(created)]).toBeOneOf([
        ['done', { NOT_FOUND: 3 }],
        ['KEYSPACE_NOT_EMPTY', { done: 3 }],
      ])
    })
  })

  test('of a name is there once, out of 20 that are created at once', async () => {
    await rounds(async (round) => {
      const create = () => mutate(app, CreateKeyspaceDocument, { accountId, name: `round ${round}` })
      const results = await atOnce(
        round,
        times(20, () => create),
      )
      expect(tally(results)).toEqual({ done: 1, NAME_IN_USE: 19 })
    })
  })
})

describe('a key', { timeout: RACE_TIMEOUT_MS }, () => {
  test('that is switched off and on at once ends as the later of both left it', async () => {
    await rounds(async (round) => {
      const { keyId } = await app.createKey(keyspaceId)
      const disable = () => mutate(app, DisableKeyDocument, { keyId })
      const enable = () => mutate(app, EnableKeyDocument, { keyId })
      const results = await atOnce(round, [disable, enable, disable, enable])
      expect(tally(results)).toEqual({ done: 4 })

      const [, , ...switches] = await historyOf(app, keyId)
      expect(switches).toEqual(switches.map((_, index) => (index % 2 === 0 ? 'key.disabled' : 'key.enabled')))
      const { key } = await app.ask(KeyDocument, { keyId })
      expect(key).toMatchObject({ enabled: switches.length % 2 === 0, version: 2 + switches.length })
    })
  })

  test('seen at one version is changed by one of ten who saw it', async () => {
    await rounds(async (round) => {
      const { keyId } = await app.createKey(keyspaceId)
      const editors = times(
        10,
        (index) => () => mutate(app, UpdateKeyDocument, { keyId, name: `editor ${index}`, expectedVersion: 2 }),
      )
      const results = await atOnce(round, editors)
      expect(tally(results)).toEqual({ done: 1, CONFLICT: 9 })
      const conflicts = results.filter((result) => result.__typename === 'ConflictError')
      expect(new Set(conflicts.map(({ actualVersion }) => actualVersion))).toEqual(new Set([3]))
    })
  })
})

test('all the while, whoever followed the log missed nothing and met no hole', () => inspect(arena))
