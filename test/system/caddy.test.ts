// The configuration of docs/forward-auth.md in a real Caddy, between a client and a service that writes down what reaches it.
import { execFileSync } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { type Ask, BREAKING, FORGED, openSite, type Site } from '#test/support/behind-proxy.ts'
import { freePort, programNamed } from '#test/support/machine.ts'

const caddy = programNamed('caddy')

let site: Site
let key: Site['key']
let port: number
const ask = (asked: Ask) => site.ask({ host: '127.0.0.1', port }, asked)

// .ci/run installs it, so that this is never skipped there.
describe.skipIf(caddy === undefined)(
  'Caddy, configured as the documentation says (skipped where there is none)',
  () => {
    beforeAll(async () => {
      site = await openSite([{ place: 'HEADER', name: 'X-API-Key' }])
      key = site.key
      await startCaddy()
    }, 60_000)

    afterAll(() => site.close(), 30_000)

    test('is seen by the access log, with the address that Caddy saw', async () => {
      const headers = [['X-API-Key', key.secret] as const, ['X-Forwarded-For', '203.0.113.9'] as const]
      await ask({ path: '/reports/7?page=2', headers })
      await site.app.app.services.accesses.flush()
      const rows = await site.app.database.serving.kysely.selectFrom('usage.access_log').selectAll().execute()
      expect(rows).toMatchObject([
        { client_ip: '127.0.0.1', method: 'GET', path: '/reports/7?page=2', verdict: 'VALID' },
      ])
    })

    test('lets a good key through, and tells the service whose it is and not what it is', async () => {
      const { status, reached } = await ask({ headers: [['X-API-Key', key.secret]] })
      expect(status).toBe(200)
      expect(reached?.headers).toMatchObject({
        'x-key-id': key.keyId,
        'x-key-name': encodeURIComponent('Zoë’s shop'),
        'x-key-permissions': '*',
      })
      expect(JSON.stringify(reached)).not.toContain(key.secret)
      expect(reached?.headers['x-keyledger-authorization']).toBeUndefined()
    })

    test.each(['/a%20b/c;d?x=%C3%A9&y=1+2', '/a?b=2&a=1&b=1', '/?', '/a%2Fb//c?'])(
      'passes method, path, query and body on as they were sent: %s',
      async (path) => {
        const headers = [['X-API-Key', key.secret] as const, ['Content-Type', 'application/json'] as const]
        const { status, reached } = await ask({ method: 'PUT', path, headers, body: '{"a":1}' })
        expect(status).toBe(200)
        expect(reached).toMatchObject({ method: 'PUT', url: path, body: '{"a":1}' })
      },
    )

    test.each<[string, () => Ask]>([
      ['no key', () => ({})],
      ['a wrong key', () => ({ headers: [['X-API-Key', `${key.secret}x`]] })],
      ['a key where none is looked for', () => ({ headers: [['Authorization', `Bearer ${key.secret}`]] })],
      ['a key in the query', () => ({ path: `/?apiKey=${key.secret}` })],
      ['a header twice', () => ({ headers: ['X-API-Key', 'x-api-key'].map((name) => [name, key.secret] as const) })],
      [
        'a key in the body',
        () => ({
          method: 'POST',
          headers: [['Content-Type', 'application/x-www-form-urlencoded']],
          body: `apiKey=${key.secret}`,
        }),
      ],
      ['the proxy’s own credential told by the client', () => ({ headers: FORGED })],
    ])('lets nobody through with %s', async (_name, asked) => {
      const { status, headers, reached } = await ask(asked())
      expect(status).toBe(401)
      expect(headers['www-authenticate']).toBe('ApiKey')
      expect(reached).toBeUndefined()
    })

    test('can’t be made to believe a client that speaks for it', async () => {
      const headers = [['X-API-Key', key.secret] as const, ...FORGED, ['X-Key-Zzz', 'forged'] as const]
      const { status, reached } = await ask({ path: '/own', headers })
      expect(status).toBe(200)
      expect(reached).toMatchObject({ url: '/own', headers: { 'x-key-id': key.keyId, 'x-forwarded-for': '127.0.0.1' } })
      expect(JSON.stringify(reached)).not.toMatch(/forged|DELETE/)
      expect(Object.keys(reached?.headers ?? {}).filter((name) => name.includes('_'))).toEqual([])
    })

    test('judges the method and the path that the service then gets', async () => {
      const endpoints = [{ methods: ['GET'], path: '/reports/:id' }]
      const policyIds = [await site.app.createPolicy(site.accountId, { permissions: ['reports.read'], endpoints })]
      const { secret } = await site.app.createKey(site.keyspaceId, { policyIds })
      const at = async (method: string, path: string) =>
        (await ask({ method, path, headers: [['X-API-Key', secret]] })).status
      expect(await at('GET', '/reports/7?x=1')).toBe(200)
      expect(await at('POST', '/reports/7')).toBe(403)
      expect(await at('GET', '/reports/7/8')).toBe(403)
      expect(await at('GET', '/reports/%2e%2e')).toBe(403)
    })

    test('refuses a revoked key at the very next request', async () => {
      const { keyId, secret } = await site.app.createKey(site.keyspaceId, { permissions: ['*'] })
      const now = async () => (await ask({ headers: [['X-API-Key', secret]] })).status
      expect(await now()).toBe(200)
      await site.app.ask('mutation ($input: RevokeKeyInput!) { revokeKey(input: $input) { __typename } }', {
        input: { keyId },
      })
      expect(await now()).toBe(401)
    })

    test('keeps keys and its credential out of its log, of errors too', async () => {
      const headers = [['X-API-Key', key.secret] as const, ['Authorization', `Bearer ${key.secret}`] as const]
      expect((await ask({ headers })).status).toBe(200)
      expect((await ask({ path: BREAKING, headers })).status).toBe(502)
      const log = await readFile(join(site.folder, 'caddy.log'), 'utf8')
      expect(log).toContain(`"uri":"${BREAKING}"`)
      expect(log).not.toContain(key.secret)
      expect(log).not.toContain('Bearer')
    })
  },
)

async function startCaddy(): Promise<void> {
  const { folder } = site
  port = await freePort()
  const file = join(folder, 'Caddyfile')
  const text = await site.configuration('caddy', {
    ...site.usual,
    ':8000 {': `:${port} {\n\tbind 127.0.0.1`,
    '\tlog {': `\tadmin off\n\tauto_https off\n\tlog {\n\t\toutput file ${folder}/caddy.log`,
  })
  await writeFile(file, text)
  const env = { HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder }
  execFileSync(caddy ?? '', ['validate', '--config', file, '--adapter', 'caddyfile'], { stdio: 'pipe', env })
  site.run(caddy ?? '', ['run', '--config', file, '--adapter', 'caddyfile'], env)
  await vi.waitFor(() => ask({}), { timeout: 20_000 })
}
