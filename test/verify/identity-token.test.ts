// Which tokens of an identity provider name a user, against a real one.
import { createHmac, createPublicKey } from 'node:crypto'
import { exportJWK, generateKeyPair, SignJWT, UnsecuredJWT } from 'jose'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { plusMs } from '#domain/instant.ts'
import { createTestClock } from '#test/support/clock.ts'
import { AUDIENCE, type Issuer, startIssuer } from '#test/support/issuer.ts'
import { recordingLogger } from '#test/support/log.ts'
import { ALGORITHMS, CLOCK_TOLERANCE_SECONDS, type IdentityTokens, identityTokens } from '#verify/identity-token.ts'

const clock = createTestClock()
const seconds = (offset = 0) => Math.floor(Date.parse(clock.now()) / 1_000) + offset
const USER = 'ada@example.org'

let issuer: Issuer
beforeAll(async () => {
  issuer = await startIssuer(() => clock.now())
})
afterAll(() => issuer.close())

const { log, logged } = recordingLogger()
function tokensFor(provider: object = {}): IdentityTokens {
  return identityTokens({
    provider: { issuer: issuer.issuer, audience: AUDIENCE, userClaim: 'email', ...provider },
    log,
  })
}
let tokens: IdentityTokens
beforeEach(() => {
  tokens = tokensFor()
})

const named = async (token: string | Promise<string>) =>
  (await tokens.userNamedBy(await token, clock.now()))?.externalId
const segment = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')

describe('a good token', () => {
  test('names its user, to the letter', async () => {
    expect(await named(issuer.token())).toBe(USER)
    expect(await named(issuer.token({ email: 'Ada@Example.org ' }))).toBe('Ada@Example.org ')
  })

  test.each(ALGORITHMS)('may be signed by %s', async (alg) => {
    await issuer.rotate({ alg })
    expect(await named(issuer.token())).toBe(USER)
  })

  test('may be for others too, be an access token, and lack nbf, iat and typ', async () => {
    await issuer.rotate()
    expect(await named(issuer.token({ aud: ['else', AUDIENCE] }))).toBe(USER)
    for (const typ of ['at+jwt', 'application/at+jwt', 'JWT', 'jwt', undefined])
      expect(await named(issuer.token({ iat: undefined }, { header: { typ } }))).toBe(USER)
  })

  test('may name its user by another claim, which nothing has to confirm', async () => {
    tokens = tokensFor({ userClaim: 'https://example.org/login' })
    expect(await named(issuer.token({ 'https://example.org/login': 'u1', email_verified: false }))).toBe('u1')
    expect(await named(issuer.token())).toBeUndefined()
  })

  test('is good until its time, and the tolerance stated, and no longer', async () => {
    const token = await issuer.token({ exp: seconds(10), nbf: seconds(-10) })
    const at = async (offset: number) =>
      (await tokens.userNamedBy(token, plusMs(clock.now(), offset * 1_000)))?.externalId
    expect(CLOCK_TOLERANCE_SECONDS).toBe(60)
    expect(await at(10 + CLOCK_TOLERANCE_SECONDS - 1)).toBe(USER)
    expect(await at(10 + CLOCK_TOLERANCE_SECONDS)).toBeUndefined()
    expect(await at(-10 - CLOCK_TOLERANCE_SECONDS)).toBe(USER)
    expect(await at(-10 - CLOCK_TOLERANCE_SECONDS - 1)).toBeUndefined()
  })
})

describe('refused is a token', () => {
  test.each<[string, object]>([
    ['of another issuer', { iss: 'https://else.example.org' }],
    ['of an issuer that begins like ours', { iss: 'http://127.0.0.1' }],
    ['of no issuer', { iss: undefined }],
    ['for another audience', { aud: 'else' }],
    ['for no audience', { aud: undefined }],
    ['for an audience that begins like ours', { aud: `${AUDIENCE}-2` }],
    ['without an end', { exp: undefined }],
    ['with an end that is no number', { exp: '2099-01-01' }],
    ['that has ended', { exp: seconds(-61) }],
    ['that has not begun', { nbf: seconds(61) }],
    ['with an unconfirmed address', { email_verified: false }],
    ['with one that is unconfirmed as text', { email_verified: 'false' }],
    ['that names nobody', { email: undefined }],
    ['that names an empty text', { email: '' }],
    ['that names many', { email: [USER] }],
    ['that names a number', { email: 7 }],
    ['that names half a character', { email: 'ada\ud800' }],
  ])('%s', async (_what, claims) => {
    expect(await named(issuer.token(claims))).toBeUndefined()
  })

  test('of the issuer, written differently', async () => {
    for (const iss of [`${issuer.issuer}/`, issuer.issuer.toUpperCase(), ` ${issuer.issuer}`, [issuer.issuer]])
      expect(await named(issuer.token({ iss }))).toBeUndefined()
  })

  test.each(['logout+jwt', 'JWE', 'dpop+jwt', 'secevent+jwt', ''])('of the type %j', async (typ) => {
    expect(await named(issuer.token({}, { header: { typ } }))).toBeUndefined()
  })

  test('that nobody signed', async () => {
    const claims = { iss: issuer.issuer, aud: AUDIENCE, email: USER, exp: seconds(300) }
    expect(await named(new UnsecuredJWT(claims).encode())).toBeUndefined()
    for (const alg of ['none', 'None', 'NONE', ''])
      for (const signature of ['', 'AAAA'])
        expect(await named(`${segment({ alg })}.${segment(claims)}.${signature}`)).toBeUndefined()
  })

  test('that was signed with what is published, as if that were a secret', async () => {
    const { jwk, kid } = await issuer.rotate({ alg: 'RS256' })
    const claims = { iss: issuer.issuer, aud: AUDIENCE, email: USER, exp: seconds(300) }
    const pem = createPublicKey({ key: { ...jwk }, format: 'jwk' }).export({ type: 'spki', format: 'pem' })
    for (const secret of [pem, JSON.stringify(jwk), jwk.n ?? '']) {
      const signed = `${segment({ alg: 'HS256', kid })}.${segment(claims)}`
      const signature = createHmac('sha256', secret).update(signed).digest('base64url')
      expect(await named(`${signed}.${signature}`)).toBeUndefined()
    }
  })

  test('that was signed by a symmetric key, though the provider publishes it', async () => {
    const secret = Buffer.alloc(32, 7)
    issuer.keys = [
      { kid: 'oct', alg: 'HS256', jwk: { kty: 'oct', kid: 'oct', k: secret.toString('base64url') } } as never,
    ]
    const claims = { iss: issuer.issuer, aud: AUDIENCE, email: USER, exp: seconds(300) }
    const token = new SignJWT(claims).setProtectedHeader({ alg: 'HS256', kid: 'oct' }).sign(secret)
    expect(await named(token)).toBeUndefined()
    await issuer.rotate()
  })

  test('by an algorithm that is not listed, though the provider publishes its key', async () => {
    await issuer.rotate({ alg: 'ML-DSA-44' })
    expect(await named(issuer.token())).toBeUndefined()
    expect(logged.at(-1)?.reason).toBe('ERR_JOSE_ALG_NOT_ALLOWED')
    await issuer.rotate()
  })

  test('that carries its key with it, or says where that is', async () => {
    const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true })
    const jwk = await exportJWK(publicKey)
    const claims = { iss: issuer.issuer, aud: AUDIENCE, email: USER, exp: seconds(300) }
    const [known] = issuer.keys
    for (const header of [{ jwk }, { jku: `${issuer.issuer}/keys` }, { x5u: `${issuer.issuer}/keys` }, {}])
      for (const kid of [known?.kid, 'else', undefined]) {
        const head = { alg: 'ES256', ...header, ...(kid === undefined ? {} : { kid }) }
        expect(await named(new SignJWT(claims).setProtectedHeader(head).sign(privateKey))).toBeUndefined()
      }
  })

  test('with a head that must be understood and is not', async () => {
    const token = await issuer.token()
    const [, payload, signature] = token.split('.')
    const head = segment({ alg: 'ES256', kid: issuer.keys[0]?.kid, crit: ['b64'], b64: false })
    expect(await named(`${head}.${payload}.${signature}`)).toBeUndefined()
  })

  test('that was changed in any part', async () => {
    const token = await issuer.token()
    expect(await named(token)).toBe(USER)
    const [head = '', payload = '', signature = ''] = token.split('.')
    const other = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8'))
    const forged = segment({ ...other, email: 'eve@example.org' })
    for (const changed of [
      `${head}.${forged}.${signature}`,
      `${head}.${payload}.${signature.slice(0, -2)}`,
      `${head}.${payload}.`,
      `${head}.${payload}`,
      `${head}.${payload}.${signature}.${signature}`,
      `${segment({ alg: 'ES384', kid: issuer.keys[0]?.kid })}.${payload}.${signature}`,
      ` ${token}`,
      `${token}\n`,
      `${token}=`,
    ])
      expect(await named(changed)).toBeUndefined()
  })

  test('longer than 8192 characters', async () => {
    const fitting = await issuer.token({ groups: ['x'.repeat(5_500)] })
    expect(fitting.length).toBeLessThanOrEqual(8_192)
    expect(await named(fitting)).toBe(USER)
    expect(await named(issuer.token({ groups: ['x'.repeat(6_200)] }))).toBeUndefined()
  })

  test.each(['', 'eyJ', 'eyJ..', 'eyJ.eyJ.x', 'eyJhbGciOiJFUzI1NiJ9.e30.AA', `${'eyJ.'.repeat(2_000)}`, '\0.\0.\0'])(
    'that is none: %j',
    async (token) => {
      expect(await named(token)).toBeUndefined()
    },
  )
})

test('the log says why a token was refused, and nothing of it', async () => {
  const before = logged.length
  const token = await issuer.token({ email: 'private@example.org', exp: seconds(-120) })
  expect(await named(token)).toBeUndefined()
  expect(await named(`${token.slice(0, -4)}AAAA`)).toBeUndefined()
  expect(await named(issuer.token({ aud: 'private-audience' }))).toBeUndefined()
  const said = logged.slice(before)
  expect(said.map(({ level, reason }) => [level, reason])).toEqual([
    ['debug', 'ERR_JWT_EXPIRED'],
    ['debug', 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED'],
    ['debug', 'the claim aud: check_failed'],
  ])
  const whole = JSON.stringify(logged)
  for (const part of ['private', token.slice(0, 40), token.slice(-20), token.split('.')[1] ?? ''])
    expect(whole).not.toContain(part)
})

test('tokens of others make no provider be asked', async () => {
  const { discovery } = issuer.asked
  tokens = tokensFor()
  for (const claims of [{ iss: 'https://else.example.org' }, { iss: undefined }]) await named(issuer.token(claims))
  await named('eyJhbGciOiJIUzI1NiJ9.e30.AAAA')
  expect(issuer.asked.discovery).toBe(discovery)
})
