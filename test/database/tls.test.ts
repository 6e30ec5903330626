// TLS to PostgreSQL, with real servers: what each sslmode connects to, and what it refuses.

import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openInstallation } from '#cli/installation.ts'
import { readConfig } from '#config.ts'
import { connectionTo } from '#database/server-url.ts'
import { newKeyringText } from '#secret/keyring.ts'
import { Secret } from '#secret/secret.ts'
import { createAuthority } from '#test/support/certificates.ts'
import { recordingLogger } from '#test/support/log.ts'
import { programNamed } from '#test/support/machine.ts'
import { type OwnPostgres, postgresFolders, startOwnPostgres } from '#test/support/own-postgres.ts'
import { startServerProcess } from '#test/support/server-process.ts'

const folders = Object.entries(await postgresFolders())
const secrets = newKeyringText()
let folder: string | undefined
/** Files with the certificate of the CA that the servers' are from, and of one that they are not from. */
let ours: string
let others: string
let issued: { readonly certificate: string; readonly key: string }

const openssl = programNamed('openssl')

beforeAll(async () => {
  if (openssl === undefined) return
  folder = await mkdtemp(join(tmpdir(), 'keyledger-tls-'))
  const authority = await createAuthority('ours')
  issued = await authority.issue('DNS:localhost')
  ours = join(folder, 'ours.pem')
  others = join(folder, 'others.pem')
  await writeFile(ours, authority.certificate)
  // Of the same name, as whoever is in between would have it.
  await writeFile(others, (await createAuthority('ours')).certificate)
})
afterAll(async () => {
  if (folder !== undefined) await rm(folder, { recursive: true, force: true })
})

/** Whether it is encrypted, or why there is none. */
async function connected(url: string): Promise<string> {
  const client = new pg.Client(connectionTo(new Secret(url)))
  try {
    await client.connect()
    const { rows } = await client.query('SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()')
    return rows[0]?.ssl ? 'encrypted' : 'in the clear'
  } catch (error) {
    const { code, message } = error as { code?: string; message: string }
    return code ?? message
  } finally {
    await client.end().catch(() => undefined)
  }
}

// .ci/run sees to that command, so that this is never skipped there.
describe.skipIf(openssl === undefined).each(folders)(
  '%s with a certificate for localhost, that takes nothing in the clear',
  (_name, bin) => {
    let server: OwnPostgres
    beforeAll(async () => {
      server = await startOwnPostgres(bin, {
        files: { 'server.crt': issued.certificate, 'server.key': issued.key },
        settings: { ssl: 'on' },
        access: 'hostssl all all 127.0.0.1/32 trust',
      })
    })
    afterAll(() => server.stop())
    const at = (host: string, parameters: string, database = 'postgres') =>
      `postgres://postgres@${host}:${server.port}/${database}${parameters}`

    test.each<[string, string, () => string, string]>([
      ['no sslmode', 'localhost', () => '', '28000'],
      ['disable', 'localhost', () => '?sslmode=disable', '28000'],
      ['require', 'localhost', () => '?sslmode=require', 'encrypted'],
      ['require', '127.0.0.1', () => '?sslmode=require', 'encrypted'],
      ['require and a CA', 'localhost', () => `?sslmode=require&sslrootcert=${ours}`, 'encrypted'],
      ['require and another CA', 'localhost', () => `?sslmode=require&sslrootcert=${others}`, 'UNTRUSTED'],
      ['verify-ca', 'localhost', () => `?sslmode=verify-ca&sslrootcert=${ours}`, 'encrypted'],
      ['verify-ca by another name', '127.0.0.1', () => `?sslmode=verify-ca&sslrootcert=${ours}`, 'encrypted'],
      ['verify-ca and another CA', 'localhost', () => `?sslmode=verify-ca&sslrootcert=${others}`, 'UNTRUSTED'],
      ['verify-full', 'localhost', () => `?sslmode=verify-full&sslrootcert=${ours}`, 'encrypted'],
      ['verify-full by another name', '127.0.0.1', () => `?sslmode=verify-full&sslrootcert=${ours}`, 'OTHER NAME'],
      ['verify-full and another CA', 'localhost', () => `?sslmode=verify-full&sslrootcert=${others}`, 'UNTRUSTED'],
      ['verify-full and no CA of its own', 'localhost', () => '?sslmode=verify-full', 'UNTRUSTED'],
    ])('%s, as %s', async (_mode, host, parameters, outcome) => {
      const codes: Readonly<Record<string, RegExp>> = {
        UNTRUSTED:
          /^(UNABLE_TO_VERIFY_LEAF_SIGNATURE|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_GET_ISSUER_CERT_LOCALLY|CERT_SIGNATURE_FAILURE)$/,
        'OTHER NAME': /^ERR_TLS_CERT_ALTNAME_INVALID$/,
      }
      expect(await connected(at(host, parameters()))).toMatch(codes[outcome] ?? new RegExp(`^${outcome}$`))
    })

    test('is served over TLS alone: every connection of a server is encrypted', async () => {
      const DATABASE_URL = at('localhost', `?sslmode=verify-full&sslrootcert=${ours}`)
      const running = await startServerProcess({
        DATABASE_URL,
        KEYLEDGER_SECRETS: secrets,
        KEYLEDGER_ROOT_KEY: `root_${'4'.repeat(43)}`,
      })
      try {
        expect((await fetch(`${running.url}/health/ready`)).status).toBe(200)
        const client = new pg.Client(connectionTo(new Secret(DATABASE_URL)))
        await client.connect()
        const { rows } = await client.query(
          `SELECT count(*)::integer AS all, (count(*) FILTER (WHERE s.ssl))::integer AS encrypted
           FROM pg_stat_activity a JOIN pg_stat_ssl s USING (pid) WHERE a.application_name LIKE 'keyledger%'`,
        )
        await client.end()
        expect(rows[0].all).toBeGreaterThan(1)
        expect(rows[0].encrypted).toBe(rows[0].all)
      } finally {
        await running.end('SIGTERM')
      }
    })

    test.each([
      ['require', true],
      ['verify-full', false],
    ])('under %s is warned of: %s', async (mode, warned) => {
      const { log, logged } = recordingLogger()
      const parameters = warned ? `?sslmode=${mode}` : `?sslmode=${mode}&sslrootcert=${ours}`
      const read = readConfig({ DATABASE_URL: at('localhost', parameters), KEYLEDGER_SECRETS: secrets })
      if (!read.ok) throw new Error(read.problems.join('\n'))
      await (await openInstallation(read.config, { log, maintenance: false })).close()
      const said = logged.filter(({ msg }) => msg.includes('does not check who answers'))
      expect(said).toHaveLength(warned ? 1 : 0)
    })
  },
)

test('a server, or whoever is in between, that offers no TLS is told nothing but that it was wanted', async () => {
  const heard: Buffer[] = []
  const plain = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.on('data', (data: Buffer) => {
      heard.push(data)
      socket.write('N')
    })
  }).listen(0, '127.0.0.1')
  await once(plain, 'listening')
  const { port } = plain.address() as AddressInfo
  for (const mode of ['require', 'verify-full'])
    expect(await connected(`postgres://keyledger:hunter2@127.0.0.1:${port}/keys?sslmode=${mode}`)).toMatch(
      /does not support SSL/,
    )
  plain.close()
  // SSLRequest, twice: no name, no password, nothing else.
  expect(Buffer.concat(heard).toString('hex')).toBe('0000000804d2162f'.repeat(2))
})
