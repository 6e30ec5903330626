// Two instances on one database: what one has acknowledged, the very next STRONG answer of the other includes; and what can't be
// known is UNAVAILABLE, never VALID.

import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { deleteKey } from '#commands/delete-key.ts'
import { deletePolicy } from '#commands/delete-policy.ts'
import { disableCode } from '#commands/disable-code.ts'
import { disableKey } from '#commands/disable-key.ts'
import { enableKey } from '#commands/enable-key.ts'
import { linkKey } from '#commands/link-key.ts'
import { revokeKey } from '#commands/revoke-key.ts'
import { rotateKey } from '#commands/rotate-key.ts'
import { unlinkKey } from '#commands/unlink-key.ts'
import { updateKey } from '#commands/update-key.ts'
import { updateKeyspace } from '#commands/update-keyspace.ts'
import { updateLink } from '#commands/update-link.ts'
import { updatePolicy } from '#commands/update-policy.ts'
import { updateUser } from '#commands/update-user.ts'
import { connect, type Database } from '#database/connect.ts'
import { rebuildState } from '#state/rebuild.ts'
import { createTestDatabase, type TestDatabase } from '#test/support/database.ts'
import { type MadeAccount, type TestServices, testServices } from '#test/support/services.ts'
import { statementsOf } from '#test/support/statements.ts'
import { startTcpProxy } from '#test/support/tcp-proxy.ts'
import { PATIENTLY } from '#test/support/wait.ts'
import { authenticate } from '#verify/authenticate.ts'
import { type VerifyQuestion, verifyKeys } from '#verify/verify-keys.ts'
import { viewOf } from '#verify/view.ts'

const TRIALS = 10

let database: TestDatabase
let here: TestServices
let there: TestServices
let account: MadeAccount
let keyspaceId: string
beforeAll(async () => {
  database = await createTestDatabase()
  here = testServices(database.serving)
  there = testServices(database.owner)
  account = await here.createAccount()
  keyspaceId = await here.createKeyspace(account.accountId)
})
afterAll(() => database.drop())

async function codeThere(question: VerifyQuestion): Promise<string | undefined> {
  const [verdict] = await verifyKeys(there, { kind: 'ROOT' }, [question])
  return verdict?.code
}

const reason = 'UNSPECIFIED'

describe('the other instance, which has just said VALID, sees at once', () => {
  /** Makes what is verified, gives the question and then the change; each must turn VALID into something else. */
  type Trial = () => Promise<{ question: VerifyQuestion; change: () => Promise<unknown> }>

  const keyTrial =
    (change: (keyId: string, codeId: string) => Promise<unknown>): Trial =>
    async () => {
      const { keyId, codeIds, secrets } = await here.createKey(keyspaceId)
      return { question: { key: secrets[0] ?? '' }, change: () => change(keyId, codeIds[0] ?? '') }
    }

  async function policyTrial() {
    const policyId = await here.createPolicy(account.accountId, { permissions: ['ads.read'] })
    const { keyId, secrets } = await here.createKey(keyspaceId, { policyIds: [policyId] })
    return { policyId, keyId, question: { key: secrets[0] ?? '', permission: 'ads.read' } }
  }

  async function linkTrial() {
    const lender = await here.createAccount()
    const { keyId, secrets } = await here.createKey(await here.createKeyspace(lender.accountId))
    const policyId = await here.createPolicy(account.accountId, { permissions: ['ads.read'] })
    const { linkId } = (await here.done(linkKey, { accountId: account.accountId, keyId, policyIds: [policyId] })).result
    const question = { key: secrets[0] ?? '', accountId: account.accountId, permission: 'ads.read' }
    return { keyId, policyId, linkId, question }
  }

  const trials: readonly (readonly [string, Trial])[] = [
    ['a key revoked', keyTrial((keyId) => here.done(revokeKey, { keyId, reason }))],
    ['a key deleted', keyTrial((keyId) => here.done(deleteKey, { keyId, reason }))],
    ['a key disabled', keyTrial((keyId) => here.done(disableKey, { keyId }))],
    ['a code disabled', keyTrial((_keyId, codeId) => here.done(disableCode, { codeId }))],
    ['a code replaced', keyTrial((keyId) => here.done(rotateKey, { keyId, slot: 'PRIMARY', overlapSeconds: 0 }))],
    [
      'a rule of the keyspace',
      keyTrial(() => here.done(updateKeyspace, { keyspaceId, rules: { upstreamUserRequired: true } })),
    ],
    [
      'an edited policy',
      async () => {
        const { policyId, question } = await policyTrial()
        return { question, change: () => here.done(updatePolicy, { policyId, permissions: [] }) }
      },
    ],
    [
      'a policy taken from the key and deleted',
      async () => {
        const { policyId, keyId, question } = await policyTrial()
        const change = async () => {
          await here.done(updateKey, { keyId, policyIds: [] })
          await here.done(deletePolicy, { policyId })
        }
        return { question, change }
      },
    ],
    [
      'an acted-for user, whose permissions change',
      async () => {
        const externalId = `user-${Math.random()}@example.org`
        const userId = await here.addUser(account.accountId, { externalId, permissions: ['ads.read'] })
        const { secrets } = await here.createKey(keyspaceId, { permissions: ['*'], actsAs: externalId })
        const question = { key: secrets[0] ?? '', permission: 'ads.read' }
        return { question, change: () => here.done(updateUser, { userId, permissions: [] }) }
      },
    ],
    [
      'a link taken away',
      async () => {
        const { linkId, question } = await linkTrial()
        return { question, change: () => here.done(unlinkKey, { linkId }) }
      },
    ],
    [
      'a link with other policies',
      async () => {
        const { linkId, question } = await linkTrial()
        const other = await here.createPolicy(account.accountId)
        return { question, change: () => here.done(updateLink, { linkId, policyIds: [other] }) }
      },
    ],
    [
      'a policy of a link, edited',
      async () => {
        const { policyId, question } = await linkTrial()
        return { question, change: () => here.done(updatePolicy, { policyId, permissions: [] }) }
      },
    ],
    [
      'the source of a link, revoked',
      async () => {
        const { keyId, question } = await linkTrial()
        return { question, change: () => here.done(revokeKey, { keyId, reason }) }
      },
    ],
  ]

  test.each(trials)('%s', async (_what, trial) => {
    for (let i = 0; i < TRIALS; i++) {
      const { question, change } = await trial()
      expect(await codeThere(question)).toBe('VALID')
      await change()
      expect(await codeThere(question)).not.toBe('VALID')
      await here.done(updateKeyspace, { keyspaceId, rules: { upstreamUserRequired: false } })
    }
  })

  test('what begins to be: a key enabled, a code issued under a digest that was nobody’s, a link made', async () => {
    const { keyId, secrets } = await here.createKey(keyspaceId, { enabled: false })
    expect(await codeThere({ key: secrets[0] ?? '' })).toBe('DISABLED')
    await here.done(enableKey, { keyId })
    expect(await codeThere({ key: secrets[0] ?? '' })).toBe('VALID')

    const own = await here.createKeyspace(account.accountId, { customSecrets: true })
    const secret = 'Jq8-aZ0/rT3+vW6=xY9!'
    expect(await codeThere({ key: secret })).toBe('NOT_FOUND')
    await here.createKey(own, { codes: [{ secret }] })
    expect(await codeThere({ key: secret })).toBe('VALID')

    const question = { key: secrets[0] ?? '', accountId: (await here.createAccount()).accountId }
    expect(await codeThere(question)).toBe('NOT_FOUND')
    const policyId = await here.createPolicy(question.accountId)
    await here.done(linkKey, { accountId: question.accountId, keyId, policyIds: [policyId] })
    expect(await codeThere(question)).toBe('VALID')
  })

  test('its own caller, revoked', async () => {
    for (let i = 0; i < TRIALS; i++) {
      const { keyId, secret } = await here.createCaller(account, ['keys.verify'])
      expect(await authenticate(there, `Bearer ${secret}`)).toMatchObject({ keyId })
      await here.done(revokeKey, { keyId, reason })
      expect(await authenticate(there, `Bearer ${secret}`)).toBeUndefined()
    }
  })
})

describe('what is known', () => {
  test('costs no statement, and stays right while state is rebuilt', async () => {
    const { keyId, secrets } = await here.createKey(keyspaceId)
    const question = { key: secrets[0] ?? '' }
    expect(await codeThere(question)).toBe('VALID')
    expect(await statementsOf(() => codeThere(question))).toEqual([])
    await rebuildState(database.owner)
    expect(await codeThere(question)).toBe('VALID')
    await here.done(revokeKey, { keyId, reason })
    expect(await codeThere(question)).toBe('REVOKED')
  })

  test('tells a position that includes what happened in the account since', async () => {
    const { keyId, secrets } = await here.createKey(keyspaceId)
    const other = await here.createKey(keyspaceId)
    const ask = async () => (await verifyKeys(there, { kind: 'ROOT' }, [{ key: secrets[0] ?? '' }]))[0]?.position ?? 0n
    const before = await ask()
    await here.done(disableKey, { keyId: other.keyId })
    expect(await ask()).toBe(before + 1n)
    expect(keyId).not.toBe(other.keyId)
  })
})

describe('without the database', () => {
  async function elsewhere() {
    const proxy = await startTcpProxy(database.servingConnection)
    const proxied: Database = connect({
      connection: proxy.connection,
      prepared: true,
      poolSize: 2,
      queryTimeoutMs: 5_000,
      applicationName: 'keyledger-test-proxied',
      onIdleError: () => undefined,
    })
    const at = testServices(proxied, { patienceMs: 0 })
    const code = async (question: VerifyQuestion) => (await verifyKeys(at, { kind: 'ROOT' }, [question]))[0]?.code
    // Connected: on a busy machine that takes longer than an answer may.
    await vi.waitFor(async () => expect(await code({ key: 'x'.repeat(20) })).toBe('NOT_FOUND'), PATIENTLY)
    async function end() {
      await at.feed.stop()
      at.codes.stop()
      proxy.cut()
      await proxied.close()
      await proxy.close()
    }
    return { at, proxy, code, end }
  }

  test('a STRONG verification is UNAVAILABLE, a BOUNDED one of what is known goes on to the bound and not beyond', async () => {
    const { keyId, secrets } = await here.createKey(keyspaceId)
    const key = secrets[0] ?? ''
    const { at, proxy, code, end } = await elsewhere()
    expect(await code({ key })).toBe('VALID')
    proxy.blackHole()
    await here.done(revokeKey, { keyId, reason })
    const revokedAt = performance.now()
    const seen = new Set([await code({ key, consistency: 'BOUNDED' })])
    expect(await code({ key })).toBe('UNAVAILABLE')
    while (performance.now() - revokedAt < at.stalenessMs + 1_000) {
      const beganAt = performance.now()
      const answer = await code({ key, consistency: 'BOUNDED' })
      seen.add(answer)
      if (beganAt - revokedAt > at.stalenessMs) expect(answer).toBe('UNAVAILABLE')
    }
    expect([...seen].sort()).toEqual(['UNAVAILABLE', 'VALID'])
    proxy.heal()
    await vi.waitFor(async () => expect(await code({ key })).toBe('REVOKED'), PATIENTLY)
    await end()
  })

  test('nobody can be judged, and that is said', async () => {
    const { secret } = await here.createCaller(account, ['*'])
    const { at, proxy, end } = await elsewhere()
    expect(await authenticate(at, `Bearer ${secret}`)).toBeDefined()
    proxy.blackHole()
    await expect(authenticate(at, `Bearer ${secret}`)).rejects.toMatchObject({ name: 'UnavailableError' })
    await end()
  })

  test('what is not known yet is UNAVAILABLE within the second, however much is asked', async () => {
    const { secrets } = await here.createKey(keyspaceId)
    const { proxy, code, end } = await elsewhere()
    proxy.blackHole()
    const askedAt = performance.now()
    const answers = await Promise.all(
      Array.from({ length: 500 }, () => code({ key: secrets[0] ?? '', consistency: 'BOUNDED' })),
    )
    expect(new Set(answers)).toEqual(new Set(['UNAVAILABLE']))
    expect(performance.now() - askedAt).toBeLessThan(3_000)
    await end()
  })

  test('that is slow, nobody waits longer than for one late answer, however many are needed', async () => {
    const { secret } = await here.createCaller(account, ['keys.verify'])
    const { secrets } = await here.createKey(keyspaceId)
    const key = secrets[0] ?? ''
    const { at, proxy, end } = await elsewhere()
    const ask = async () => {
      const view = viewOf(at)
      const caller = await authenticate(at, `Bearer ${secret}`, undefined, view)
      return (await verifyKeys(at, caller ?? { kind: 'ROOT' }, [{ key }], view))[0]?.code
    }
    // Each of the three (a look at the log, which may begin after another; the caller; the key) is in time by itself.
    proxy.slow(350)
    const askedAt = performance.now()
    const answer = await ask().catch((error: Error) => error.name)
    expect(['UNAVAILABLE', 'UnavailableError']).toContain(answer)
    expect(performance.now() - askedAt).toBeLessThan(3_000)
    proxy.slow(0)
    await vi.waitFor(async () => expect(await ask()).toBe('VALID'), PATIENTLY)
    await end()
  })
})
