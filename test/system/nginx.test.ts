// The configuration of docs/forward-auth.md in a real nginx, between a client and a service that writes down what reaches it.
import { execFileSync } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { type Ask, FORGED, FORWARD_AUTH_PAGE, openSite, type Site } from '#test/support/behind-proxy.ts'
import { programNamed } from '#test/support/machine.ts'

const nginx = programNamed('nginx')

let site: Site
let app: Site['app']
let key: Site['key']
const ask = (asked: Ask) => site.ask({ socketPath: join(site.folder, 'socket') }, asked)

// .ci/run installs it, so that this is never skipped there.
describe.skipIf(nginx === undefined)(
  'nginx, configured as the documentation says (skipped where there is none)',
  () => {
    beforeAll(async () => {
      site = await openSite([
        { place: 'HEADER', name: 'X-API-Key' },
        { place: 'QUERY', name: 'apiKey' },
      ])
      app = site.app
      key = site.key
      await startNginx()
    }, 60_000)

    afterAll(() => site.close(), 30_000)

    test('is seen by the access log, with no address that only the client told', async () => {
      await ask({
        path: `/reports/7?page=2&apiKey=${key.secret}`,
        headers: [
          ['X-API-Key', key.secret],
          ['X-Forwarded-For', '203.0.113.9'],
        ],
      })
      await app.app.services.accesses.flush()
      const rows = await app.database.serving.kysely.selectFrom('usage.access_log').selectAll().execute()
      expect(rows).toMatchObject([
        // Over the socket that the tests use, nginx knows of none.
        { client_ip: null, method: 'GET', path: '/reports/7?page=2&apiKey=[redacted]', verdict: 'VALID' },
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
    })

    test('passes method, path, query and body on as they were sent', async () => {
      const headers = [
        ['X-API-Key', key.secret],
        ['Content-Type', 'application/json'],
      ] as const
      const sent = { method: 'PUT', path: '/a%20b/c;d?x=%C3%A9&y=1+2', headers, body: '{"a":1}' }
      const { status, reached } = await ask(sent)
      expect(status).toBe(200)
      expect(reached).toMatchObject({ method: 'PUT', url: sent.path, body: sent.body })
    })

    test.each([
      ['/reports?apiKey=KEY', '/reports?'],
      ['/reports?apiKey=KEY&a=1', '/reports?a=1'],
      ['/reports?a=1&apiKey=KEY&b=2', '/reports?a=1&b=2'],
      ['/reports?a=1&apiKey=KEY', '/reports?a=1&'],
      ['/reports?notapiKey=1&apiKey=KEY', '/reports?notapiKey=1&'],
      ['/reports?a=1&api%4Bey=KEY&b=2', '/reports?a=1&b=2'],
      ['/reports?api%4bey=KEY', '/reports?'],
      ['/reports?%61%70%69%4B%65%79=KEY&b=%2', '/reports?b=%2'],
      ['/reports?apikey=1&%61piKey=KEY&apikey=2', '/reports?apikey=1&apikey=2'],
      ['/reports??apiKey=KEY&b=2', '/reports??b=2'],
    ])('finds the key in %s and takes it out', async (path, url) => {
      const { status, reached } = await ask({ path: path.replace('KEY', key.secret) })
      expect(status).toBe(200)
      expect(reached?.url).toBe(url)
    })

    test.each<[string, () => Ask]>([
      ['no key', () => ({})],
      ['a wrong key', () => ({ headers: [['X-API-Key', `${key.secret}x`]] })],
      ['a key where none is looked for', () => ({ headers: [['Authorization', `Bearer ${key.secret}`]] })],
      [
        'a header twice',
        () => ({
          headers: [
            ['X-API-Key', key.secret],
            ['x-api-key', key.secret],
          ],
        }),
      ],
      ['a parameter twice', () => ({ path: `/?apiKey=${key.secret}&apiKey=${key.secret}` })],
      ['two keys', () => ({ path: '/?apiKey=other', headers: [['X-API-Key', key.secret]] })],
      [
        'a key in the body',
        () => ({
          method: 'POST',
          headers: [['Content-Type', 'application/x-www-form-urlencoded']],
          body: `apiKey=${key.secret}`,
        }),
      ],
      [
        'a key in a URI that the client made up',
        () => ({
          headers: [
            ['X-Original-URI', `/?apiKey=${key.secret}`],
            ['X-Original-Method', 'GET'],
          ],
        }),
      ],
      [
        'the same by the other custom',
        () => ({
          headers: [
            ['X-Forwarded-Uri', `/?apiKey=${key.secret}`],
            ['X-Forwarded-Method', 'GET'],
          ],
        }),
      ],
    ])('lets nobody through with %s', async (_name, asked) => {
      const { status, headers, reached } = await ask(asked())
      expect(status).toBe(401)
      expect(headers['www-authenticate']).toBe('ApiKey')
      expect(reached).toBeUndefined()
    })

    test('can’t be made to believe a client that speaks for it', async () => {
      const headers = [['X-API-Key', key.secret] as const, ...FORGED]
      const { status, reached } = await ask({ path: '/own', headers })
      expect(status).toBe(200)
      expect(reached).toMatchObject({ url: '/own', headers: { 'x-key-id': key.keyId } })
      for (const name of ['x-key-owner', 'x-key-acts-as', 'x_key_owner', 'x-forwarded-user', 'x-http-method-override'])
        expect(reached?.headers[name], name).toBeUndefined()
      expect(reached?.headers['x-keyledger-authorization']).toBeUndefined()
      expect(JSON.stringify(reached)).not.toMatch(/forged|DELETE/)
    })

    test('lets other headers like those of the answer through, as the page says: it can’t remove by a prefix', async () => {
      const { reached } = await ask({
        headers: [
          ['X-API-Key', key.secret],
          ['X-Key-Zzz', 'told'],
        ],
      })
      expect(reached?.headers['x-key-zzz']).toBe('told')
      expect(await readFile(FORWARD_AUTH_PAGE, 'utf8')).toContain('`X-Key-Zzz`')
    })

    test('refuses a revoked key at the very next request', async () => {
      const { keyId, secret } = await app.createKey(site.keyspaceId, { permissions: ['*'] })
      const now = async () => (await ask({ headers: [['X-API-Key', secret]] })).status
      expect(await now()).toBe(200)
      await app.ask('mutation ($input: RevokeKeyInput!) { revokeKey(input: $input) { __typename } }', {
        input: { keyId },
      })
      expect(await now()).toBe(401)
    })

    test('does not show what is behind the question itself', async () => {
      const { status, reached } = await ask({ path: '/_keyledger', headers: [['X-API-Key', key.secret]] })
      expect(status).toBe(404)
      expect(reached).toBeUndefined()
    })

    test('keeps keys out of its access log', async () => {
      await ask({ path: `/logged?apiKey=${key.secret}` })
      const log = await readFile(join(site.folder, 'access.log'), 'utf8')
      expect(log).toContain('"/logged" 200')
      expect(log).not.toContain(key.secret)
    })
  },
)

async function startNginx(): Promise<void> {
  const { folder } = site
  const text = await site.configuration('nginx', {
    ...site.usual,
    'listen 8000;': `listen unix:${folder}/socket;`,
    '/var/log/nginx/service.log': `${folder}/access.log`,
  })
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (kind) => `${kind}_temp_path ${folder}/${kind};`,
  )
  const file = join(folder, 'nginx.conf')
  await writeFile(
    file,
    `daemon off; master_process off; pid ${folder}/pid; error_log ${folder}/error.log;
      events {} http { access_log off; ${paths.join(' ')} ${text} }`,
  )
  const command = ['-p', folder, '-c', file, '-e', join(folder, 'error.log')]
  execFileSync(nginx ?? '', [...command, '-t'], { stdio: 'pipe' })
  site.run(nginx ?? '', command)
  await vi.waitFor(() => ask({}), { timeout: 20_000 })
}
