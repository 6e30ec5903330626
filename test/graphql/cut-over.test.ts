// Whether everybody has gone over to the new secret: what is told of a rotation while both work, and the list of keys with such a one.
import { afterAll, expect, test } from 'vitest'
import { startTestApp } from '#test/support/app.ts'

const app = await startTestApp()
afterAll(() => app.close())

const { accountId } = await app.createAccount()
const keyspaceId = await app.createKeyspace(accountId)

const ROTATE = `mutation ($input: RotateKeyInput!) { rotateKey(input: $input) {
  ... on RotateKeySuccess { issued { secret accessCode { id } } } } }`

async function rotate(keyId: string, overlapSeconds: number): Promise<string> {
  const { rotateKey } = await app.ask<{ rotateKey: { issued: { secret: string } } }, object>(ROTATE, {
    input: { keyId, overlapSeconds },
  })
  return rotateKey.issued.secret
}

type CutOver = {
  readonly endsAt: string
  readonly retiredStillUsed: boolean
  readonly retiredLastUsedAt: string | null
  readonly retiredUsesByDay: readonly { readonly day: string; readonly uses: number }[]
  readonly replacementLastUsedAt: string | null
}

async function cutOvers(keyId: string): Promise<readonly (CutOver | null)[]> {
  const { key } = await app.ask<{ key: { rotations: { nodes: { cutOver: CutOver | null }[] } } }, object>(
    `query ($keyId: ID!) { key(id: $keyId) { rotations { nodes { cutOver {
       endsAt retiredStillUsed retiredLastUsedAt retiredUsesByDay { day uses } replacementLastUsedAt } } } } }`,
    { keyId },
  )
  return key.rotations.nodes.map(({ cutOver }) => cutOver)
}

async function verify(key: string): Promise<string> {
  const { verifyKey } = await app.ask<{ verifyKey: { code: string } }, object>(
    'query ($key: String!) { verifyKey(input: { key: $key }) { code } }',
    { key },
  )
  await app.app.services.uses.flush()
  return verifyKey.code
}

async function listed(rotationOpen: boolean, within?: string): Promise<readonly string[]> {
  const { account } = await app.ask<{ account: { keys: { nodes: { id: string }[]; totalCount: number } } }, object>(
    `query ($accountId: ID!, $filter: KeyFilter) { account(id: $accountId) { keys(filter: $filter, first: 100) {
       nodes { id } totalCount } } }`,
    {
      accountId,
      filter: { rotationOpen, ...(within && { keyspaceId: within }), statuses: ['ACTIVE', 'DISABLED', 'REVOKED'] },
    },
  )
  expect(account.keys.totalCount).toBe(account.keys.nodes.length)
  return account.keys.nodes.map(({ id }) => id)
}

test('a rotation in overlap tells who still uses the retired code, and when', async () => {
  const { keyId, secret } = await app.createKey(keyspaceId)
  await verify(secret)
  app.clock.advance(1_000)
  const next = await rotate(keyId, 3_600)
  const [fresh] = await cutOvers(keyId)
  expect(fresh).toMatchObject({ retiredStillUsed: false, replacementLastUsedAt: null })
  expect(fresh?.retiredLastUsedAt).not.toBeNull()
  app.clock.advance(60_000)
  expect([await verify(secret), await verify(secret), await verify(next)]).toEqual(['VALID', 'VALID', 'VALID'])
  const now = app.clock.now()
  expect(await cutOvers(keyId)).toEqual([
    {
      endsAt: expect.any(String),
      retiredStillUsed: true,
      retiredLastUsedAt: now,
      retiredUsesByDay: [{ day: now.slice(0, 10), uses: 3 }],
      replacementLastUsedAt: now,
    },
  ])
  app.clock.advance(3_600_000)
  expect(await cutOvers(keyId)).toEqual([null])
})

test('keys with an open rotation are listed as long as the replaced code works', async () => {
  const open = (await app.createKey(keyspaceId)).keyId
  const closed = (await app.createKey(keyspaceId)).keyId
  const never = (await app.createKey(keyspaceId)).keyId
  const ended = await app.createKey(keyspaceId)
  const revoked = (await app.createKey(keyspaceId)).keyId
  for (const keyId of [open, revoked, ended.keyId]) await rotate(keyId, 600)
  await rotate(closed, 0)
  await app.ask(`mutation ($id: ID!) { revokeKey(input: { keyId: $id }) { __typename } }`, { id: revoked })
  await app.ask(`mutation ($id: ID!) { disableCode(input: { codeId: $id }) { __typename } }`, { id: ended.codeId })
  for (const within of [undefined, keyspaceId]) {
    const [yes, no] = [await listed(true, within), await listed(false, within)]
    expect(yes).toEqual([open])
    for (const keyId of [closed, never, ended.keyId, revoked]) expect(no).toContain(keyId)
    expect(no).not.toContain(open)
  }
  expect(await cutOvers(open)).toEqual([expect.objectContaining({ retiredStillUsed: false, retiredLastUsedAt: null })])
  for (const keyId of [closed, ended.keyId, revoked]) expect(await cutOvers(keyId)).toEqual([null])
  app.clock.advance(600_000)
  expect(await listed(true)).toEqual([])
  expect(await listed(false)).toContain(open)
})
