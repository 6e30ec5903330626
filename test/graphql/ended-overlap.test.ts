// One rotation ends what the one before it had left working for a while: who reads of it is told both codes.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestApp } from '#test/support/app.ts'
import { explaining, plus } from '#test/support/explaining.ts'

const app = await startTestApp()
afterAll(() => app.close())

let accountId: string
let keyspaceId: string
let reviewer: string
beforeAll(async () => {
  accountId = (await app.createAccount('Rotating')).accountId
  keyspaceId = await app.createKeyspace(accountId)
  reviewer = await app.createCredential(accountId, ['events.read', 'keys.read'])
})

const { later, explain } = explaining(app, () => reviewer)

type Told = { readonly type: string; readonly summary: string }

async function historyOf(keyId: string): Promise<readonly string[]> {
  const { key } = await app.ask<{ key: { events: { nodes: readonly Told[] } } }, object>(
    'query ($keyId: ID!) { key(id: $keyId) { events(first: 100) { nodes { type summary } } } }',
    { keyId },
  )
  return key.events.nodes.filter(({ type }) => type !== 'key.created').map(({ summary }) => summary)
}

async function trial(mutation: string, input: object): Promise<readonly string[]> {
  const type = `${mutation[0]?.toUpperCase()}${mutation.slice(1)}Input`
  const tried = await app.ask<Record<string, { planned: readonly Told[] }>, object>(
    `mutation ($input: ${type}!) { ${mutation}(input: $input, dryRun: true) { ... on DryRun { planned { type summary } } } }`,
    { input },
  )
  return tried[mutation]?.planned.map(({ summary }) => summary) ?? []
}

async function exported(): Promise<string> {
  const response = await fetch(`${app.origin}/accounts/${accountId}/events.ndjson`, {
    headers: { authorization: `Bearer ${reviewer}` },
  })
  return response.text()
}

async function hintsOf(keyId: string): Promise<readonly string[]> {
  const { rows } = await app.database.owner.pool.query<{ hint: string }>(
    'SELECT hint FROM state.code WHERE key_id = $1 ORDER BY ordinal',
    [keyId],
  )
  return rows.map(({ hint }) => hint)
}

test('a rotation tells of the code whose overlap it ended, wherever it is told', async () => {
  const { keyId, codeId } = await app.createKey(keyspaceId, { name: 'nightly' })
  const until = plus(await later('rotateKey', { keyId, overlapSeconds: 3_600 }), 3_600_000)
  const [first, second] = await hintsOf(keyId)
  const ended = `; ${first}, which was to work until ${until}, stopped at once`
  const [planned] = await trial('rotateKey', { keyId })
  const [plannedWithOverlap] = await trial('rotateKey', { keyId, overlapSeconds: 60 })
  await later('rotateKey', { keyId })
  const [, , third] = await hintsOf(keyId)
  const sentence = (hint: string | undefined) =>
    `root rotated the PRIMARY code of key nightly; the old one, ${second}, stopped at once, the new one is ${hint}, which never ` +
    `expires${ended} too`
  expect(planned).toBe(sentence('(new)'))
  expect(plannedWithOverlap).toMatch(new RegExp(`, may still be used until .*${ended}$`))
  expect((await historyOf(keyId)).slice(1)).toEqual([
    expect.stringMatching(/, may still be used until [^;]*$/),
    sentence(third),
  ])
  expect(await exported()).toContain(JSON.stringify(sentence(third)))
  const { verdict, decidedBy } = await explain({ codeId, at: app.clock.now() })
  expect(verdict.code).toBe('REPLACED')
  expect(decidedBy.at(-1)?.summary).toBe(sentence(third))
})

test('whoever switches off a replaced code is told that it is for good, and of one that is replaced later that it is not', async () => {
  const { keyId, codeId } = await app.createKey(keyspaceId)
  await later('disableCode', { codeId })
  await later('enableCode', { codeId })
  await later('rotateKey', { keyId, overlapSeconds: 3_600 })
  const planned = await trial('disableCode', { codeId })
  await later('disableCode', { codeId })
  const told = [...(await historyOf(keyId)), ...planned].filter((summary) => summary.includes(' switched off '))
  expect(told).toEqual([
    expect.stringMatching(/, which opens nothing while it is off$/),
    expect.stringMatching(/, which ended the overlap in which it still worked: it opens nothing any more, for good$/),
    expect.stringMatching(/, which ended the overlap in which it still worked: it opens nothing any more, for good$/),
  ])
})

test('a rotation tells of no code whose overlap had ended before, by itself or by somebody, nor of one in the other slot', async () => {
  const { keyId } = await app.createKey(keyspaceId, { codes: [{}, {}] })
  await later('rotateKey', { keyId, overlapSeconds: 60 })
  await later('rotateKey', { keyId, slot: 'SECONDARY' })
  app.clock.advance(60_000)
  await later('rotateKey', { keyId, overlapSeconds: 3_600 })
  const { rows } = await app.database.owner.pool.query<{ code_id: string }>(
    'SELECT code_id FROM state.code WHERE key_id = $1 AND overlap_ends_at > $2',
    [keyId, app.clock.now()],
  )
  await later('disableCode', { codeId: rows[0]?.code_id })
  const [planned] = await trial('rotateKey', { keyId })
  await later('rotateKey', { keyId })
  const told = [...(await historyOf(keyId)), planned].filter((summary) => summary?.includes(' rotated '))
  expect(told).toHaveLength(5)
  for (const summary of told) expect(summary).not.toContain('was to work until')
})
