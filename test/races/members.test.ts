// A key changes hands while its owner uses the right they are losing: whoever is too late has never had it.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { RevealCodeDocument, RotateKeyDocument, UpdateKeyDocument } from '#test/generated/operations.ts'
import { atOnce, historyOf, inspect, mutate, openArena, outcomeOf, RACE_TIMEOUT_MS, rounds, times } from './arena.ts'

const arena = await openArena()
const { app } = arena
let keyspaceId: string
let annId: string
let bobId: string
let credential: string
beforeAll(async () => {
  const { accountId, managementKeyspaceId } = await app.createAccount()
  keyspaceId = await app.createKeyspace(accountId, { managedBy: 'OWNERS', secretDisplay: 'REVEALABLE' })
  annId = await app.addUser(accountId, { externalId: 'ann' })
  bobId = await app.addUser(accountId, { externalId: 'bob' })
  credential = (await app.createKey(managementKeyspaceId, { actsAs: 'ann', permissions: ['*'] })).secret
})
afterAll(() => app.close())

describe('a key that is given to somebody else', { timeout: RACE_TIMEOUT_MS }, () => {
  test('is neither renewed nor shown by who had it from then on', async () => {
    const told = new Set<string>()
    await rounds(async (round) => {
      const { keyId, codeId } = await app.createKey(keyspaceId, { ownerId: annId })
      const asAnn = { credential }
      const [given, ...used] = await atOnce(round, [
        () => mutate(app, UpdateKeyDocument, { keyId, ownerId: bobId }),
        ...times(4, () => () => mutate(app, RotateKeyDocument, { keyId }, asAnn)),
        ...times(4, () => () => mutate(app, RevealCodeDocument, { codeId }, asAnn)),
      ])
      expect(given?.__typename).toBe('UpdateKeySuccess')
      for (const result of used) told.add(outcomeOf(result))
      expect((await historyOf(app, keyId)).at(-1)).toBe('key.updated')
    })
    // A code that has been replaced is not shown again.
    for (const outcome of told) expect(['done', 'NOT_FOUND', 'CODE_NOT_LIVE', 'CONFLICT']).toContain(outcome)
    expect(told.size).toBeGreaterThan(1)
  })
})

test('all the while, whoever followed the log missed nothing and met no hole', () => inspect(arena))
