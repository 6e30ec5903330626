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

test('open rotations of a key are one for each slot at most, and asked for by themselves', async () => {
  const { keyId } = await app.createKey(await app.createKeyspace(accountId, { codesAtCreation: 2 }))
  const rotateSlot = (slot: string, overlapSeconds: number) =>
    app.ask(ROTATE, { input: { keyId, slot, overlapSeconds } })
  expect(await openRotations(keyId)).toEqual([])
  await rotateSlot('PRIMARY', 600)
  await rotateSlot('PRIMARY', 600)
  await rotateSlot('SECONDARY', 900)
  const open = await openRotations(keyId)
  expect(open).toMatchObject([
    { slot: 'SECONDARY', cutOver: { retiredStillUsed: false } },
    { slot: 'PRIMARY', cutOver: { retiredStillUsed: false } },
  ])
  expect(open.map(({ id }) => id)).toEqual((await allRotations(keyId)).slice(0, 2))
  app.clock.advance(600_000)
  expect(await openRotations(keyId)).toMatchObject([{ slot: 'SECONDARY' }])
  await app.ask(`mutation ($id: ID!) { revokeKey(input: { keyId: $id }) { __typename } }`, { id: keyId })
  expect(await openRotations(keyId)).toEqual([])
})

test('what is asked about cutting over fits into one operation, at the length that pages have by themselves', async () => {
  const { keyId } = await app.createKey(keyspaceId)
  await rotate(keyId, 600)
  const { account } = await app.ask<{ account: { keys: { nodes: object[] } } }, object>(
    `query ($accountId: ID!) { account(id: $accountId) { keys(filter: { rotationOpen: true }) { nodes { id openRotations { cutOver {
       endsAt retiredStillUsed retiredUsesByDay { day uses } replacementLastUsedAt } } } } } }`,
    { accountId },
  )
  expect(account.keys.nodes).toEqual([
    { id: keyId, openRotations: [{ cutOver: expect.objectContaining({ retiredStillUsed: false }) }] },
  ])
})

test("open rotations of another account's key are as little there as the key", async () => {
  const { keyId } = await app.createForeignKey()
  await rotate(keyId, 600)
  const credential = await app.createCredential(accountId, ['keys.read'])
  const query = 'query ($keyId: ID!) { key(id: $keyId) { openRotations { id } } }'
  expect((await app.execute(query, { keyId }, { credential })).data).toEqual({ key: null })
})

type Opened = { readonly id: string; readonly slot: string; readonly cutOver: CutOver | null }

async function openRotations(keyId: string): Promise<readonly Opened[]> {
  const query = 'query ($keyId: ID!) { key(id: $keyId) { openRotations { id slot cutOver { retiredStillUsed } } } }'
  return (await app.ask<{ key: { openRotations: Opened[] } }, object>(query, { keyId })).key.openRotations
}

async function allRotations(keyId: string): Promise<readonly string[]> {
  const query = 'query ($keyId: ID!) { key(id: $keyId) { rotations { nodes { id } } } }'
  const { key } = await app.ask<{ key: { rotations: { nodes: { id: string }[] } } }, object>(query, { keyId })
  return key.rotations.nodes.map(({ id }) => id)
}
