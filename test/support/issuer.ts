// A real identity provider, small, in this process: discovery, published keys that can be rotated, tokens of every kind, and
// the ways in which a provider fails.
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose'

export type SigningKey = {
  readonly kid: string
  readonly alg: string
  readonly privateKey: CryptoKey
  readonly jwk: JWK
}

export type Issuer = {
  readonly issuer: string
  /** How often each document was asked for. */
  readonly asked: { discovery: number; keys: number }
  /** What is published. */
  keys: readonly SigningKey[]
  /** Instead of the documents; null: the documents. */
  answer: ((response: ServerResponse) => void) | null
  /** What its discovery document says beside or instead of the truth. */
  discovery: object
  /** A new key in the place of those before, published at once unless told otherwise. */
  rotate(options?: { alg?: string; published?: boolean }): Promise<SigningKey>
  /** A token by the newest key, with these claims beside and instead of those that a good one has; undefined ones are left out. */
  token(claims?: object, options?: { key?: SigningKey; header?: Readonly<Record<string, unknown>> }): Promise<string>
  close(): Promise<void>
}

export const AUDIENCE = 'keyledger-tests'

let count = 0

async function newKey(alg: string): Promise<SigningKey> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true })
  count += 1
  const kid = `key-${count}`
  return { kid, alg, privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' } }
}

/** `now`: the instant at which tokens are issued, as a clock of the tests tells it. */
export async function startIssuer(now: () => string): Promise<Issuer> {
  const server = createServer((request, response) => {
    const isDiscovery = request.url === '/.well-known/openid-configuration'
    issuer.asked[isDiscovery ? 'discovery' : 'keys'] += 1
    if (issuer.answer !== null) return issuer.answer(response)
    const documents = {
      '/.well-known/openid-configuration': {
        issuer: issuer.issuer,
        jwks_uri: `${issuer.issuer}/keys`,
        ...issuer.discovery,
      },
      '/keys': { keys: issuer.keys.map(({ jwk }) => jwk) },
    }
    const document = documents[request.url as keyof typeof documents]
    response.writeHead(document === undefined ? 404 : 200, { 'content-type': 'application/json' })
    response.end(JSON.stringify(document ?? {}))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  let newest = await newKey('ES256')
  const issuer: Issuer = {
    issuer: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked: { discovery: 0, keys: 0 },
    keys: [newest],
    answer: null,
    discovery: {},
    async rotate({ alg = 'ES256', published = true } = {}) {
      newest = await newKey(alg)
      if (published) issuer.keys = [newest]
      return newest
    },
    token(claims = {}, { key = newest, header = {} } = {}) {
      const seconds = Math.floor(Date.parse(now()) / 1_000)
      const good = { iss: issuer.issuer, aud: AUDIENCE, sub: 'subject', iat: seconds, exp: seconds + 300 }
      const payload = JSON.parse(JSON.stringify({ ...good, email: 'ada@example.org', ...claims }))
      const { kid, alg } = key
      return new SignJWT(payload).setProtectedHeader({ alg, kid, typ: 'JWT', ...header }).sign(key.privateKey)
    },
    async close() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
  return issuer
}
