// Certificates of a CA that nobody else knows, made by the openssl command.
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

export type Authority = {
  /** PEM. */
  readonly certificate: string
  /** PEM of a certificate for such a name, as `DNS:localhost`, and of its key. */
  issue(name: string): Promise<{ readonly certificate: string; readonly key: string }>
}

const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']

export async function createAuthority(commonName: string): Promise<Authority> {
  const inFolder = async <Result>(work: (at: (file: string) => string) => Promise<Result>): Promise<Result> => {
    const folder = await mkdtemp(join(tmpdir(), 'keyledger-certificates-'))
    try {
      return await work((file) => join(folder, file))
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  }
  const ca = await inFolder(async (at) => {
    const subject = ['-subj', `/CN=${commonName}`, '-days', '2']
    await run('openssl', ['req', '-x509', ...NEW_KEY, ...subject, '-keyout', at('key'), '-out', at('certificate')])
    return { certificate: await readFile(at('certificate'), 'utf8'), key: await readFile(at('key'), 'utf8') }
  })
  return {
    certificate: ca.certificate,
    issue: (name) =>
      inFolder(async (at) => {
        await writeFile(at('ca'), ca.certificate)
        await writeFile(at('ca-key'), ca.key, { mode: 0o600 })
        await writeFile(at('extensions'), `subjectAltName=${name}\n`)
        await run('openssl', ['req', ...NEW_KEY, '-subj', '/CN=server', '-keyout', at('key'), '-out', at('request')])
        const signing = [
          'x509',
          '-req',
          '-in',
          at('request'),
          '-CA',
          at('ca'),
          '-CAkey',
          at('ca-key'),
          '-CAcreateserial',
        ]
        await run('openssl', [...signing, '-days', '1', '-extfile', at('extensions'), '-out', at('certificate')])
        return { certificate: await readFile(at('certificate'), 'utf8'), key: await readFile(at('key'), 'utf8') }
      }),
  }
}
