// GraphQL's own errors quote what is wrong, and all that stands beside it. None may carry a secret back into a client's log, or
// into ours.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startTestApp, type TestApp } from '#test/support/app.ts'

let app: TestApp
beforeAll(async () => {
  app = await startTestApp()
})
afterAll(() => app.close())

const SECRET = 'PLAINTEXT_9f2Kq7Zr1Lw8'
const ISSUE = 'mutation ($input: IssueCodeInput!) { issueCode(input: $input) { __typename } }'
const VERIFY = 'query ($input: VerifyKeyInput!) { verifyKey(input: $input) { code } }'

describe('a broken request tells nothing of the secret in it', () => {
  test.each<[string, string, unknown]>([
    ['an unknown field beside it', ISSUE, { keyId: 'k', secret: SECRET, nmae: 1 }],
    ['a missing field beside it', ISSUE, { secret: SECRET }],
    ['an object in its place', ISSUE, { keyId: 'k', secret: { value: SECRET } }],
    ['a list in its place', ISSUE, { keyId: 'k', secret: [SECRET] }],
    ['another field that holds it', ISSUE, { keyId: 'k', slot: SECRET }],
    ['another field that holds more than it', ISSUE, { keyId: 'k', slot: `a; " at "b"; ${SECRET}` }],
    ['a number that it is not', ISSUE, { keyId: 'k', expectedVersion: `; ${SECRET}` }],
    ['an instant that it is not', ISSUE, { keyId: 'k', expiresAt: `; ${SECRET}` }],
    ['no object', ISSUE, SECRET],
    ['a presented key beside an unknown field', VERIFY, { key: SECRET, colour: 'red' }],
    [
      'in the document, without quotes',
      `mutation { issueCode(input: { keyId: "k", secret: ${SECRET} }) { __typename } }`,
      0,
    ],
    [
      'in the document, as an object',
      `mutation { issueCode(input: { secret: { a: "${SECRET}" } }) { __typename } }`,
      0,
    ],
    ['in the document, a field missing', `mutation { issueCode(input: { secret: "${SECRET}" }) { __typename } }`, 0],
    ['in the document, out of place', `mutation { issueCode(input: { keyId "${SECRET}" }) { __typename } }`, 0],
    ['in the document, as a block', `mutation { issueCode(input: { keyId """${SECRET}""" }) { __typename } }`, 0],
    ['in the document, unterminated', `mutation { issueCode(input: { keyId: "k", secret: "${SECRET}`, 0],
  ])('%s', async (_what, document, input) => {
    const before = app.logged.length
    const { data, errors } = await app.execute(document, { input })
    expect(data).toBeNull()
    expect(errors.length).toBeGreaterThan(0)
    for (const error of errors) expect(error.message).toMatch(/^[A-Z].{10,}\.$/s)
    expect(JSON.stringify([errors, app.logged.slice(before)])).not.toContain(SECRET.slice(0, 12))
  })
})

test('what is wrong is still told', async () => {
  const { errors } = await app.execute(ISSUE, { input: { keyId: 'k', secret: SECRET, nmae: 1 } })
  expect(errors[0]?.message).toContain('unknown field "nmae"')
})

test.each([
  [{ codes: 'x' }, 'input.codes"'],
  [{ codes: [{ slot: 'THIRD' }] }, 'input.codes[0].slot"'],
  [{ codes: [{}, { secret: [SECRET] }] }, 'input.codes[1].secret"'],
  [{ tags: ['a', 5] }, 'input.tags[1]"'],
])('where it is wrong is still told, within lists too: %j', async (wrong, place) => {
  const document = 'mutation ($input: CreateKeyInput!) { createKey(input: $input) { __typename } }'
  const { errors } = await app.execute(document, { input: { keyspaceId: 'k', name: 'n', ...wrong } })
  expect(errors[0]?.message).toContain(` at "${place}`)
})

test('nor does a refused or an accepted secret get into the log, at any level', async () => {
  const { accountId } = await app.createAccount()
  const keyspaceId = await app.createKeyspace(accountId, { customSecrets: true })
  const { keyId } = await app.createKey(keyspaceId, { codes: [] })
  const secrets = ['PLAINTEXT-too-short', 'PLAINTEXT-correct-horse', `PLAINTEXT-${'kX9?vQ2!'}${crypto.randomUUID()}`]
  for (const secret of [...secrets, secrets[2]]) {
    const { data } = await app.execute<Record<string, object>, object>(
      `mutation ($input: IssueCodeInput!) { issueCode(input: $input) {
         ... on IssueCodeSuccess { events { summary data } } ... on Error { code message } ... on InvalidInputError { issues { path message } } } }`,
      { input: { keyId, secret, idempotencyKey: secret?.slice(0, 3) + crypto.randomUUID() } },
    )
    expect(data).not.toBeNull()
    expect(JSON.stringify(data)).not.toContain('PLAINTEXT')
  }
  expect(app.logged.length).toBeGreaterThan(5)
  expect(JSON.stringify(app.logged)).not.toContain('PLAINTEXT')
})
