// What an export holds, by every filter and in both forms, and who gets none.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startTestApp, type TestApp } from '#test/support/app.ts'
import { exportOf, openExport, positionsIn, readExport } from '#test/support/export.ts'

const NAMES = ['=HYPERLINK("http://evil.example/")', '+1', '-1', '@SUM(A1)', ' =1', 'a "quoted", name', 'Zoë 🔑']

let app: TestApp
let accountId: string
let keyId: string
let credential: string
beforeAll(async () => {
  app = await startTestApp()
  ;({ accountId } = await app.createAccount())
  const keyspaceId = await app.createKeyspace(accountId)
  for (const name of NAMES) ({ keyId } = await app.createKey(keyspaceId, { name, metadata: { name } }))
  await app.addUser(accountId, { externalId: 'ann@example.org', displayName: 'Ann Lee' })
  credential = await app.createCredential(accountId, ['events.read'])
  const input = { keyId, tags: ['x'] }
  const rename = 'mutation ($input: UpdateKeyInput!) { updateKey(input: $input) { __typename } }'
  await app.ask(rename, { input }, { headers: { 'x-request-id': 'one-request' } })
  const console = await app.createCredential(accountId, ['keys.write'])
  await app.ask(rename, { input: { keyId, description: 'by a key' } }, { credential: console })
})
afterAll(() => app.close())

const FIELDS = `position id occurredAt type summary actor { kind actorId label } credential { keyId codeId } subjectId subjectVersion
  correlationId  account { id } schemaVersion data changes { field before after }`
type Told = { position: string; account: { id: string }; [name: string]: unknown }

async function told(filter: object = {}): Promise<readonly Told[]> {
  const query = `query ($accountId: ID!, $filter: EventFilter) {
    account(id: $accountId) { events(filter: $filter, first: 100) { nodes { ${FIELDS} } } } }`
  type Answer = { account: { events: { nodes: Told[] } } }
  return (await app.ask<Answer, object>(query, { accountId, filter })).account.events.nodes
}

const path = (search = '', format = 'ndjson', of = accountId) => `/accounts/${of}/events.${format}${search}`

/** RFC 4180, to the letter. */
function recordsOf(csv: string): readonly (readonly string[])[] {
  const records: string[][] = []
  const cell = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n)/gy
  let record: string[] = []
  while (cell.lastIndex < csv.length) {
    const at = cell.lastIndex
    const match = cell.exec(csv)
    if (match === null) throw new Error(`no CSV at ${at}: ${csv.slice(at, at + 80)}`)
    record.push(match[1]?.replaceAll('""', '"') ?? match[2] ?? '')
    if (match[3] === ',') continue
    records.push(record)
    record = []
  }
  return records
}

describe('an export', () => {
  test('holds, line by line, what Event shows', async () => {
    const { status, headers, text, isWhole } = await exportOf(app, path())
    const events = await told()
    expect(status).toBe(200)
    expect(headers).toMatchObject({
      'content-type': 'application/x-ndjson; charset=utf-8',
      'content-disposition': `attachment; filename="events-${accountId}.ndjson"`,
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      'x-events-up-to': String(events.length),
    })
    expect(isWhole).toBe(true)
    const lines = text
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as object)
    expect(lines).toEqual(events.map(({ account, ...event }) => ({ ...event, accountId: account.id })))
  })

  test('as CSV has a header and the same in its cells', async () => {
    const { headers, text } = await exportOf(app, path('', 'csv'))
    expect(headers['content-type']).toBe('text/csv; charset=utf-8; header=present')
    const [names = [], ...records] = recordsOf(text)
    expect(names.slice(0, 5)).toEqual(['position', 'id', 'occurredAt', 'type', 'summary'])
    const events = await told()
    expect(records).toHaveLength(events.length)
    for (const [index, record] of records.entries()) {
      const cells = Object.fromEntries(names.map((name, at) => [name, record[at] ?? '']))
      const {
        account,
        actor,
        credential: by,
        data,
        changes,
        ...plain
      } = events[index] as Told & {
        actor: Record<string, unknown>
        credential: { keyId: string; codeId: string } | null
      }
      expect({ ...cells, data: JSON.parse(cells.data ?? ''), changes: JSON.parse(cells.changes ?? '') }).toEqual({
        ...Object.fromEntries(Object.entries(plain).map(([name, value]) => [name, String(value)])),
        ...{ accountId: account.id, actorKind: actor.kind, actorId: actor.actorId ?? '', actorLabel: actor.label },
        ...{ credentialKeyId: by?.keyId ?? '', credentialCodeId: by?.codeId ?? '', data, changes },
      })
    }
  })

  test('as CSV has no cell that a spreadsheet takes for a formula', async () => {
    const managementKeyspaceId = (
      await app.ask<{ account: { managementKeyspace: { id: string } } }, object>(
        'query ($accountId: ID!) { account(id: $accountId) { managementKeyspace { id } } }',
        { accountId },
      )
    ).account.managementKeyspace.id
    const since = (await told()).length
    for (const name of NAMES.slice(0, 5)) {
      const { secret } = await app.createKey(managementKeyspaceId, { name, permissions: ['accounts.write'] })
      const rename = 'mutation ($input: UpdateAccountInput!) { updateAccount(input: $input) { __typename } }'
      await app.ask(rename, { input: { accountId, name: `by ${name}` } }, { credential: secret })
    }
    const { text } = await exportOf(app, path(`?after=${since}`, 'csv'))
    const cells = recordsOf(text).flat()
    for (const name of NAMES.slice(0, 5)) expect(cells).toContain(`'${name}`)
    for (const cell of cells) expect(cell).not.toMatch(/^\s*[=+\-@]/)
  })

  test('is without the header row, and without changes, where that is asked for', async () => {
    const [all, bare] = [await exportOf(app, path('', 'csv')), await exportOf(app, path('?header=false', 'csv'))]
    expect(all.text.endsWith(bare.text)).toBe(true)
    expect(all.text.slice(0, -bare.text.length)).toMatch(/^position,.*\r\n$/)
    const { text } = await exportOf(app, path('?changes=false'))
    expect(text).not.toContain('"changes"')
    expect(positionsIn(text)).toEqual(positionsIn((await exportOf(app, path())).text))
  })

  test('is by the filters of `events`', async () => {
    const all = await told()
    const [, second, , fourth] = all
    const [by] = all.flatMap((event) => (event.credential as { codeId: string } | null) ?? [])
    const cases: readonly [string, object][] = [
      ['types=key.created', { types: ['key.created'] }],
      ['types=key.created,code.issued', { types: ['key.created', 'code.issued'] }],
      ['types=key.created&types=user.added', { types: ['key.created', 'user.added'] }],
      [`subjectId=${keyId}`, { subjectId: keyId }],
      [`actorId=${keyId}`, { actorId: keyId }],
      [`credentialId=${by?.codeId}`, { credentialId: by?.codeId }],
      ['actorKinds=ROOT', { actorKinds: ['ROOT'] }],
      ['actorKinds=SYSTEM,USER&actorKinds=KEY', { actorKinds: ['SYSTEM', 'USER', 'KEY'] }],
      ['actorKinds=ROOT&types=key.created', { actorKinds: ['ROOT'], types: ['key.created'] }],
      ['correlationId=one-request', { correlationId: 'one-request' }],
      [`since=${second?.occurredAt}`, { since: second?.occurredAt }],
      [`until=${fourth?.occurredAt}`, { until: fourth?.occurredAt }],
      [`subjectId=${keyId}&types=code.issued`, { subjectId: keyId, types: ['code.issued'] }],
    ]
    for (const [search, filter] of cases) {
      const { text } = await exportOf(app, path(`?${search}`))
      expect(positionsIn(text), search).toEqual((await told(filter)).map(({ position }) => Number(position)))
    }
    expect(positionsIn((await exportOf(app, path(`?types=key.created&after=${fourth?.position}`))).text)).toEqual(
      (await told({ types: ['key.created'] })).map(({ position }) => Number(position)).filter((at) => at > 4),
    )
  })

  test('is of milliseconds, as the list is: by the instant of an event from it on, but not up to it', async () => {
    const last = (await told()).at(-1)
    const instant = String(last?.occurredAt)
    expect(instant).toMatch(/\.\d{6}Z$/)
    const next = new Date(Date.parse(instant.replace(/\d{3}Z$/, 'Z')) + 1).toISOString()
    const position = Number(last?.position)
    const found = async (search: string) =>
      positionsIn((await exportOf(app, path(`?${search}`))).text).includes(position)
    expect(await found(`since=${instant}`)).toBe(true)
    expect(await found(`until=${instant}`)).toBe(false)
    expect(await found(`until=${next}`)).toBe(true)
  })

  test('of nothing is empty, and whole', async () => {
    expect(await exportOf(app, path('?types=policy.deleted'))).toMatchObject({ status: 200, text: '', isWhole: true })
    const head = (await told()).length
    expect(await exportOf(app, path(`?after=${head}`))).toMatchObject({ status: 200, text: '', isWhole: true })
  })
})

describe('there is none', () => {
  const refused = async (asked: string, by: string | null = credential) => {
    const { status, headers, text } = await exportOf(app, asked, by)
    const { errors } = JSON.parse(text) as { errors: { message: string; extensions: { code: string } }[] }
    expect(headers['content-disposition']).toBeUndefined()
    return `${status} ${errors[0]?.extensions.code}`
  }

  test('without a credential, or the permission', async () => {
    expect(await refused(path(), null)).toBe('401 UNAUTHENTICATED')
    expect(await refused(path(), 'nothing')).toBe('401 UNAUTHENTICATED')
    const other = await app.createCredential(accountId, ['accounts.read', 'keys.read', 'logs.read'])
    expect(await refused(path(), other)).toBe('403 FORBIDDEN')
  })

  test('of an account that is not the caller’s, whatever else is asked: as if it did not exist', async () => {
    const { accountId: stranger } = await app.createAccount()
    for (const of of [stranger, stranger.replace(/.$/, '0'), 'acct_', '%27', keyId])
      expect(await refused(path('', 'csv', of))).toBe('404 NOT_FOUND')
    expect(await refused(path('?after=999', 'csv', stranger))).toBe('404 NOT_FOUND')
  })

  test.each([
    ['?after=-1', 'after'],
    ['?after=9999', 'after'],
    ['?after=1&after=2', 'after'],
    ['?since=yesterday', 'since'],
    ['?until=2026-02-30T00:00:00Z', 'until'],
    ['?types=', 'types'],
    [`?${Array.from({ length: 101 }, () => 'types=x').join('&')}`, 'types'],
    ['?types=nope', 'types', '0'],
    ['?actorKinds=root', 'actorKinds'],
    ['?actorKinds=ROOT,', 'actorKinds'],
    ['?since=2026-03-02T00:00:00Z&until=2026-03-01T00:00:00Z', 'since'],
    ['?subjectId=code_000000000000000000000a', 'subjectId'],
    ['?actorId=', 'actorId'],
    ['?actorId=%00', 'actorId'],
    ['?changes=yes', 'changes'],
    ['?type=key.created', 'type'],
    ['?__proto__=1', '__proto__'],
  ])('for %s', async (search, ...names) => {
    expect(await refused(path(search))).toBe('400 INVALID_INPUT')
    expect((await exportOf(app, path(search))).text).toContain(`"path":${JSON.stringify(names)}`)
  })

  test('at other paths, and by other methods', async () => {
    for (const other of ['/accounts/', `/accounts/${accountId}`, path('', 'xml'), `${path()}/x`, path('', 'ndjsonx')])
      expect(await refused(other)).toBe('404 NOT_FOUND')
    for (const method of ['POST', 'HEAD', 'DELETE']) {
      const response = await fetch(`${app.origin}${path()}`, { method })
      expect([response.status, response.headers.get('allow')]).toEqual([405, 'GET'])
    }
  })

  test('while as many as may be are under way', async () => {
    const { accountId: busy } = await app.createAccount()
    const open = await Promise.all([openExport(app, path('', 'csv', busy)), openExport(app, path('', 'csv', busy))])
    for (const one of open) expect((await readExport(one)).isWhole).toBe(true)
    // Those that have ended count no more.
    for (let i = 0; i < 10; i++) expect((await exportOf(app, path('', 'csv', busy))).status).toBe(200)
  })
})
