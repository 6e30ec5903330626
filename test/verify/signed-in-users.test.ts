// Users who sign in by tokens are known by heart, on every instance, and what happens to them is known at once all the same.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { eraseUser } from '#commands/erase-user.ts'
import { removeUser } from '#commands/remove-user.ts'
import { updateUser } from '#commands/update-user.ts'
import { connect } from '#database/connect.ts'
import { rebuildState } from '#state/rebuild.ts'
import { createTestClock } from '#test/support/clock.ts'
import { createTestDatabase, type TestDatabase } from '#test/support/database.ts'
import { AUDIENCE, type Issuer, startIssuer } from '#test/support/issuer.ts'
import { recordingLogger } from '#test/support/log.ts'
import { type MadeAccount, testServices } from '#test/support/services.ts'
import { statementsOf } from '#test/support/statements.ts'
import { startTcpProxy } from '#test/support/tcp-proxy.ts'
import { authenticate, proofOf } from '#verify/authenticate.ts'
import { identityTokens } from '#verify/identity-token.ts'
import { type VerifyingServices, viewOf } from '#verify/view.ts'

const clock = createTestClock()
let database: TestDatabase
let issuer: Issuer
/** Where changes are made. */
let here: ReturnType<typeof testServices>
/** Where users sign in. */
let there: VerifyingServices
let account: MadeAccount
beforeAll(async () => {
  database = await createTestDatabase()
  issuer = await startIssuer(() => clock.now())
  here = testServices(database.serving, { clock })
  there = signingIn(testServices(database.owner, { clock }))
  account = await here.createAccount()
})
afterAll(async () => {
  await issuer.close()
  await database.drop()
})

function signingIn(services: VerifyingServices): VerifyingServices {
  const provider = { issuer: issuer.issuer, audience: AUDIENCE, userClaim: 'email' }
  return { ...services, identityTokens: identityTokens({ provider, log: recordingLogger().log }) }
}

let count = 0
async function newUser(input: object = {}) {
  const externalId = `user-${++count}@example.org`
  const userId = await here.addUser(account.accountId, { externalId, role: 'AUDITOR', ...input })
  const authorization = `Bearer ${await issuer.token({ email: externalId })}`
  const ask = (consistency: 'STRONG' | 'BOUNDED' = 'STRONG', at = there) =>
    proofOf(at, authorization, account.accountId, viewOf(at), consistency).then((proof) => proof?.caller)
  return { externalId, userId, authorization, ask }
}

describe('a user who has asked before', () => {
  test('costs no statement beside the look at the log, which a BOUNDED request does without', async () => {
    const { userId, ask } = await newUser()
    expect(await ask()).toMatchObject({ kind: 'USER', userId, role: 'AUDITOR' })
    for (const consistency of ['STRONG', 'BOUNDED'] as const)
      expect(await statementsOf(() => ask(consistency))).toEqual([])
  })

  const changes: readonly (readonly [string, (userId: string) => Promise<unknown>, object | undefined])[] = [
    ['has another role', (userId) => here.done(updateUser, { userId, role: 'VERIFIER' }), { role: 'VERIFIER' }],
    [
      'has other permissions',
      (userId) => here.done(updateUser, { userId, permissions: ['ads.read'] }),
      { applicationPermissions: ['ads.read'] },
    ],
    ['is removed', (userId) => here.done(removeUser, { userId }), undefined],
    ['is erased', (userId) => here.done(eraseUser, { userId }), undefined],
  ]
  test.each(changes)('%s with the very next request, on another instance too', async (_what, change, expected) => {
    for (let i = 0; i < 10; i++) {
      const { userId, ask } = await newUser()
      expect(await ask()).toMatchObject({ userId })
      await change(userId)
      const caller = await ask()
      if (expected === undefined) expect(caller).toBeUndefined()
      else expect(caller).toMatchObject({ userId, ...expected })
    }
  })

  test('is who has their name now, once they were removed and added again', async () => {
    const { userId, externalId, ask } = await newUser()
    await here.done(removeUser, { userId })
    expect(await ask()).toBeUndefined()
    const again = await here.addUser(account.accountId, { externalId, role: 'VERIFIER' })
    expect(await ask()).toMatchObject({ userId: again, role: 'VERIFIER' })
  })

  test('stays so while state is rebuilt', async () => {
    const { userId, ask } = await newUser()
    expect(await ask()).toMatchObject({ userId })
    await rebuildState(database.owner)
    expect(await ask()).toMatchObject({ userId })
    await here.done(removeUser, { userId })
    expect(await ask()).toBeUndefined()
  })

  test('is in no other account, and of another name nobody', async () => {
    const { authorization, ask } = await newUser()
    expect(await ask()).toBeDefined()
    const { accountId } = await here.createAccount()
    expect(await authenticate(there, authorization, accountId)).toBeUndefined()
    const stranger = `Bearer ${await issuer.token({ email: 'nobody@example.org' })}`
    expect(await authenticate(there, stranger, account.accountId)).toBeUndefined()
  })
})

test('who can not be known as currently as is asked is nobody, and that is said', async () => {
  const { userId, ask } = await newUser()
  const proxy = await startTcpProxy(database.servingConnection)
  const proxied = connect({
    connection: proxy.connection,
    prepared: true,
    poolSize: 2,
    queryTimeoutMs: 5_000,
    applicationName: 'keyledger-test-proxied',
    onIdleError: () => undefined,
  })
  const at = signingIn(testServices(proxied, { clock, patienceMs: 0 }))
  expect(await ask('STRONG', at)).toMatchObject({ userId })
  proxy.blackHole()
  const revokedAt = performance.now()
  await here.done(removeUser, { userId })
  await expect(ask('STRONG', at)).rejects.toMatchObject({ name: 'UnavailableError' })
  let unavailable = 0
  while (performance.now() - revokedAt < at.stalenessMs + 1_000) {
    const beganAt = performance.now()
    const caller = await ask('BOUNDED', at).catch(() => null)
    if (caller === null) unavailable += 1
    else expect(beganAt - revokedAt).toBeLessThanOrEqual(at.stalenessMs)
  }
  expect(unavailable).toBeGreaterThan(0)
  await at.feed.stop()
  proxy.cut()
  await proxied.close()
  await proxy.close()
})
