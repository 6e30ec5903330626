// Links against what they rely on, at once: a key is linked once, and no link outlives its key, its policies or its keyspace.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  DeleteKeyspaceDocument,
  DeletePolicyDocument,
  LinkKeyDocument,
  LinksDocument,
  RevokeKeyDocument,
  UnlinkKeyDocument,
  UpdateLinkDocument,
  VerifyKeyDocument,
} from '#test/generated/operations.ts'
import {
  atOnce,
  inspect,
  isSuccess,
  mutate,
  openArena,
  outcomeOf,
  RACE_TIMEOUT_MS,
  rounds,
  tally,
  times,
} from './arena.ts'

const arena = await openArena()
const { app } = arena
let accountId: string
let keyspaceId: string
let policyId: string
let lent: string
beforeAll(async () => {
  accountId = (await app.createAccount('Linking')).accountId
  keyspaceId = await app.createKeyspace(accountId)
  policyId = await app.createPolicy(accountId, { permissions: ['ads.read'] })
  lent = await app.createKeyspace((await app.createAccount('Lender')).accountId)
})
afterAll(() => app.close())

const verdictOn = async (key: string) =>
  (await app.ask(VerifyKeyDocument, { input: { key, accountId } })).verifyKey.code
const link = (keyId: string, input: object = {}) =>
  mutate(app, LinkKeyDocument, { accountId, keyId, policyIds: [policyId], ...input })
const revoke = (keyId: string) => mutate(app, RevokeKeyDocument, { keyId })

describe('linkKey', { timeout: RACE_TIMEOUT_MS }, () => {
  test('20 times at once, into one keyspace or all, makes exactly one link', async () => {
    await rounds(async (round) => {
      const { keyId } = await app.createKey(lent)
      const results = await atOnce(
        round,
        times(20, (i) => () => link(keyId, i % 2 === 0 ? {} : { keyspaceId })),
      )
      expect(tally(results)).toEqual({ done: 1, ALREADY_LINKED: 19 })
    })
    const { account } = await app.ask(LinksDocument, { accountId, first: 100 })
    const keyIds = account?.links?.nodes.map(({ keyId }) => keyId) ?? []
    expect(new Set(keyIds).size).toBe(keyIds.length)
    expect(account?.links?.totalCount).toBe(20)
  })

  test('and the revocation of its key: whichever comes first, the key opens nothing', async () => {
    await rounds(async (round) => {
      const { keyId, secret } = await app.createKey(lent)
      const [linked, revoked] = await atOnce(round, [() => link(keyId), () => revoke(keyId)])
      expect(outcomeOf(revoked)).toBe('done')
      expect(['done', 'NOT_FOUND']).toContain(outcomeOf(linked))
      expect(await verdictOn(secret)).toBe(isSuccess(linked) ? 'REVOKED' : 'NOT_FOUND')
    })
  })

  test('and the deletion of its policy or keyspace: one of them is refused', async () => {
    await rounds(async (round) => {
      const { keyId } = await app.createKey(lent)
      const [own, into] = [await app.createPolicy(accountId), await app.createKeyspace(accountId)]
      const [linked, policy, keyspace] = await atOnce(round, [
        () => link(keyId, { policyIds: [own], keyspaceId: into }),
        () => mutate(app, DeletePolicyDocument, { policyId: own }),
        () => mutate(app, DeleteKeyspaceDocument, { keyspaceId: into }),
      ])
      const outcomes = [outcomeOf(policy), outcomeOf(keyspace)]
      if (isSuccess(linked)) expect(outcomes).toEqual(['POLICY_IN_USE', 'KEYSPACE_NOT_EMPTY'])
      else expect(outcomes).toContain('done')
    })
  })
})

describe('what ends or narrows a link', { timeout: RACE_TIMEOUT_MS }, () => {
  test.each([
    ['unlinkKey', 'NOT_FOUND', (linkId: string) => mutate(app, UnlinkKeyDocument, { linkId })],
    ['revokeKey', 'REVOKED', (_linkId: string, keyId: string) => revoke(keyId)],
    [
      'updateLink',
      'INSUFFICIENT_PERMISSIONS',
      async (linkId: string) => {
        const scoped = await app.createPolicy(accountId, { endpoints: [{ methods: ['GET'], path: '/' }] })
        return mutate(app, UpdateLinkDocument, { linkId, policyIds: [scoped] })
      },
    ],
  ] as const)('%s holds for every verification that begins after it has returned', async (_name, verdict, end) => {
    await rounds(async () => {
      const { keyId, secret } = await app.createKey(lent)
      const linkId = await app.linkKey(accountId, keyId, { policyIds: [policyId] })
      let ended = false
      const verify = async () => {
        const began = ended
        const code = await verdictOn(secret)
        if (began) expect(code).toBe(verdict)
        return code
      }
      const ending = end(linkId, keyId).then((result) => {
        ended = true
        return result
      })
      const [result] = await Promise.all([ending, ...times(10, verify)])
      expect(outcomeOf(result)).toBe('done')
      expect(new Set(await Promise.all(times(5, verify)))).toEqual(new Set([verdict]))
    })
  })

  test('many times at once it is one event', async () => {
    await rounds(async (round) => {
      const linkId = await app.linkKey(accountId, (await app.createKey(lent)).keyId)
      const results = await atOnce(
        round,
        times(10, () => () => mutate(app, UnlinkKeyDocument, { linkId })),
      )
      expect(tally(results)).toEqual({ done: 10 })
      expect(results.filter(isSuccess).flatMap(({ events }) => events)).toHaveLength(1)
    })
  })
})

test('after all races the log is dense, and the state is what it says', () => inspect(arena))
