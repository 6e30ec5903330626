import { request as ask } from 'node:http'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type IssuedKey, startTestApp, type TestApp } from '#test/support/app.ts'

let app: TestApp
let accountId: string
let keyspaceId: string
let key: IssuedKey
let credential: string
beforeAll(async () => {
  app = await startTestApp()
  accountId = (await app.createAccount()).accountId
  keyspaceId = await app.createKeyspace(accountId, { secretDisplay: 'REVEALABLE', customSecrets: true })
  key = await app.createKey(keyspaceId)
  credential = await app.createCredential(accountId, ['secrets.reveal'])
})
afterAll(() => app.close())

const pathOf = (codeId: string) => `/codes/${codeId}/secret.txt`
const get = (
  path: string,
  headers: Record<string, string> = { authorization: `Bearer ${credential}` },
  method = 'GET',
) => fetch(`${app.origin}${path}`, { method, headers })

async function reveals(): Promise<number> {
  const { rows } = await app.database.owner.pool.query(`SELECT FROM log.event WHERE type = 'code.revealed'`)
  return rows.length
}

async function refused(response: Response): Promise<string> {
  expect(response.headers.get('cache-control')).toBe('no-store')
  const { errors } = (await response.json()) as { errors: { message: string; extensions: { code: string } }[] }
  expect(errors[0]?.message).toMatch(/\.$/)
  return `${response.status} ${errors[0]?.extensions.code}`
}

describe('GET /codes/<id>/secret.txt', () => {
  test('is the secret and nothing else, as a file that no cache keeps', async () => {
    const response = await get(pathOf(key.codeId))
    expect(response.status).toBe(200)
    expect(await response.text()).toBe(key.secret)
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-type': 'text/plain; charset=utf-8',
      'content-disposition': `attachment; filename="${key.codeId}.txt"`,
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
    })
    expect(key.codeId).toMatch(/^code_\w{22}$/)
  })

  test('is an event of the caller and the request, like revealing', async () => {
    const before = await reveals()
    const response = await get(pathOf(key.codeId), {
      authorization: `Bearer ${credential}`,
      'x-request-id': 'download-1',
    })
    expect(response.status).toBe(200)
    expect(await reveals()).toBe(before + 1)
    const { rows } = await app.database.owner.pool.query(
      `SELECT actor_kind, stream_id, data FROM log.event WHERE correlation_id = 'download-1'`,
    )
    expect(rows).toEqual([{ actor_kind: 'KEY', stream_id: key.keyId, data: { codeId: key.codeId } }])
  })

  test("is a caller's own secret to the letter", async () => {
    const secret = `"<script>&amp;%0A${crypto.randomUUID()}`
    const { codeId } = await app.createKey(keyspaceId, { codes: [{ secret }] })
    expect(await (await get(pathOf(codeId))).text()).toBe(secret)
  })
})

describe('without an event', () => {
  let before: number
  const unchanged = async () => expect(await reveals()).toBe(before)

  test('nobody is told anything without one valid credential, which only the header Authorization holds', async () => {
    before = await reveals()
    const token = `access_token=${credential}&authorization=Bearer%20${credential}&key=${credential}`
    for (const headers of [
      {},
      { authorization: 'Bearer nothing' },
      { authorization: `Basic ${credential}` },
      { cookie: `authorization=Bearer ${credential}`, 'x-api-key': credential },
    ] as Record<string, string>[]) {
      const response = await get(`${pathOf(key.codeId)}?${token}`, headers)
      expect(response.headers.get('www-authenticate')).toBe('Bearer')
      expect(await refused(response)).toBe('401 UNAUTHENTICATED')
    }
    await unchanged()
  })

  test('two credentials are none', async () => {
    before = await reveals()
    const { port } = new URL(app.origin)
    const request = ask({
      port,
      path: pathOf(key.codeId),
      headers: ['host', 'keyledger', 'authorization', `Bearer ${credential}`, 'authorization', `Bearer ${credential}`],
    })
    const status = await new Promise<number>((resolve, reject) => {
      request
        .on('error', reject)
        .on('response', (response) => text(response).then(() => resolve(response.statusCode ?? 0)))
      request.end()
    })
    expect(status).toBe(401)
    await unchanged()
  })

  test('who lacks the right is refused, whether or not there is such a code', async () => {
    before = await reveals()
    const other = await app.createCredential(accountId, ['keys.read', 'keys.write', 'keys.verify'])
    for (const codeId of [key.codeId, 'code_0000000000000000000000'])
      expect(await refused(await get(pathOf(codeId), { authorization: `Bearer ${other}` }))).toBe('403 FORBIDDEN')
    await unchanged()
  })

  test('what is unknown, ill-formed or of another account is not found, all with one answer', async () => {
    before = await reveals()
    const foreign = await app.createAccount('Foreign')
    const stranger = await app.createCredential(foreign.accountId, ['*'])
    const answers = [
      await get(pathOf(key.codeId), { authorization: `Bearer ${stranger}` }),
      ...(await Promise.all(
        [
          '',
          'x',
          key.keyId,
          key.codeId.toUpperCase(),
          '%00',
          '..%2f..',
          `${key.codeId}%20`,
          'code_0000000000000000000000',
        ].map((id) => get(pathOf(id))),
      )),
    ]
    const told = await Promise.all(answers.map(async (answer) => [answer.status, await answer.text()]))
    expect(new Set(told.map((answer) => JSON.stringify(answer))).size).toBe(1)
    expect(told[0]?.[0]).toBe(404)
    for (const path of [
      '/codes/',
      `/codes/${key.codeId}`,
      `/codes/${key.codeId}/secret`,
      `${pathOf(key.codeId)}/`,
      '/codes',
    ])
      expect((await get(path)).status).toBe(404)
    await unchanged()
  })

  test('what can not be shown conflicts, and says why', async () => {
    before = await reveals()
    const once = await app.createKey(await app.createKeyspace(accountId))
    expect(await refused(await get(pathOf(once.codeId)))).toBe('409 SECRET_NOT_REVEALABLE')
    const replaced = await app.createKey(keyspaceId)
    await app.ask('mutation ($keyId: ID!) { rotateKey(input: { keyId: $keyId, overlapSeconds: 60 }) { __typename } }', {
      keyId: replaced.keyId,
    })
    expect(await refused(await get(pathOf(replaced.codeId)))).toBe('409 CODE_NOT_LIVE')
    const revoked = await app.createKey(keyspaceId)
    await app.ask('mutation ($keyId: ID!) { revokeKey(input: { keyId: $keyId }) { __typename } }', revoked)
    expect(await refused(await get(pathOf(revoked.codeId)))).toBe('409 KEY_REVOKED')
    await unchanged()
  })

  test('what grants more than the member who asks for it may is forbidden, and no conflict', async () => {
    const account = await app.createAccount('Members')
    const ownerId = await app.addUser(account.accountId, { externalId: 'ann', role: 'MEMBER', permissions: ['own'] })
    const owned = await app.createKeyspace(account.accountId, { secretDisplay: 'REVEALABLE', managedBy: 'OWNERS' })
    const member = await app.createKey(account.managementKeyspaceId, { permissions: ['*'], actsAs: 'ann' })
    const headers = { authorization: `Bearer ${member.secret}` }
    const within = await app.createKey(owned, { ownerId, permissions: ['own'] })
    expect((await get(pathOf(within.codeId), headers)).status).toBe(200)
    before = await reveals()
    const beyond = await app.createKey(owned, { ownerId, actsAs: null, permissions: ['other'] })
    expect(await refused(await get(pathOf(beyond.codeId), headers))).toBe('403 GRANT_EXCEEDS_CALLER')
    await unchanged()
  })

  test.each(['HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS'])('%s is refused', async (method) => {
    before = await reveals()
    const response = await get(pathOf(key.codeId), { authorization: `Bearer ${credential}` }, method)
    expect([response.status, response.headers.get('allow')]).toEqual([405, 'GET'])
    expect(await response.text()).not.toContain(key.secret)
    await unchanged()
  })
})

test('no secret gets into the log', async () => {
  const logged = JSON.stringify(app.logged)
  expect(logged).toContain(pathOf(key.codeId))
  for (const secret of [key.secret, credential]) expect(logged).not.toContain(secret)
})
