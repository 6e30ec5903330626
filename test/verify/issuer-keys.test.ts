// The keys of an identity provider: when it is asked for them, what is believed of its answers, and what holds while it is away.
import type { ServerResponse } from 'node:http'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createTestClock } from '#test/support/clock.ts'
import { AUDIENCE, type Issuer, startIssuer } from '#test/support/issuer.ts'
import { recordingLogger } from '#test/support/log.ts'
import { identityTokens } from '#verify/identity-token.ts'
import { COOL_DOWN_MS, FRESH_MS, RETRY_MS, TRUSTED_MS } from '#verify/issuer-keys.ts'

const clock = createTestClock()
const USER = 'ada@example.org'

let issuer: Issuer
let nowMs: number
let recorded: ReturnType<typeof recordingLogger>
let named: (token: string) => Promise<string | undefined>
beforeEach(async () => {
  issuer = await startIssuer(() => clock.now())
  nowMs = 1_000
  start()
})
afterEach(() => issuer.close())

/** As a process does that has just begun. */
function start(name: string = issuer.issuer): void {
  recorded = recordingLogger()
  const provider = { issuer: name, audience: AUDIENCE, userClaim: 'email' }
  const tokens = identityTokens({ provider, log: recorded.log, nowMs: () => nowMs })
  named = async (token) => (await tokens.userNamedBy(token, clock.now()))?.externalId
}

const warnings = () => recorded.logged.filter(({ level }) => level === 'warn')
const unavailable = (response: ServerResponse) => void response.writeHead(503).end('{}')

describe('a provider is asked', () => {
  test('when the first token comes, and once for all that wait', async () => {
    expect(issuer.asked).toEqual({ discovery: 0, keys: 0 })
    const token = await issuer.token()
    const answers = await Promise.all(Array.from({ length: 20 }, () => named(token)))
    expect(new Set(answers)).toEqual(new Set([USER]))
    expect(issuer.asked).toEqual({ discovery: 1, keys: 1 })
    await named(token)
    expect(issuer.asked).toEqual({ discovery: 1, keys: 1 })
  })

  test('when it rotates its keys: the new one is good with its first token', async () => {
    expect(await named(await issuer.token())).toBe(USER)
    for (const round of [2, 3, 4]) {
      nowMs += COOL_DOWN_MS
      await issuer.rotate()
      expect(await named(await issuer.token())).toBe(USER)
      expect(issuer.asked.keys).toBe(round)
    }
  })

  test('no more often than the cool-down allows, whatever keys tokens name', async () => {
    await named(await issuer.token())
    nowMs += COOL_DOWN_MS
    const unknown = await issuer.rotate({ published: false })
    for (let n = 0; n < 10; n++)
      expect(await named(await issuer.token({}, { header: { kid: `k${n}` } }))).toBeUndefined()
    expect(issuer.asked.keys).toBe(2)
    // Published a moment later, it is known once the cool-down is over.
    issuer.keys = [unknown]
    expect(await named(await issuer.token())).toBeUndefined()
    nowMs += COOL_DOWN_MS
    expect(await named(await issuer.token())).toBe(USER)
    expect(issuer.asked.keys).toBe(3)
  })

  test('when what is known is old: a key that was withdrawn counts ten minutes more, and no longer', async () => {
    const token = await issuer.token({ exp: 4_000_000_000 })
    expect(await named(token)).toBe(USER)
    await issuer.rotate()
    nowMs += FRESH_MS - 1
    expect(await named(token)).toBe(USER)
    nowMs += 1
    expect(await named(token)).toBeUndefined()
    expect(await named(await issuer.token())).toBe(USER)
  })
})

describe('while the provider is away', () => {
  test('known keys count for an hour, unknown ones not at all, and the log says why', async () => {
    const token = await issuer.token({ exp: 4_000_000_000 })
    expect(await named(token)).toBe(USER)
    issuer.answer = unavailable
    await issuer.rotate()
    nowMs += FRESH_MS
    expect(await named(token)).toBe(USER)
    expect(await named(await issuer.token())).toBeUndefined()
    expect(warnings()).toMatchObject([
      {
        issuer: issuer.issuer,
        reason: expect.stringContaining('503'),
        msg: 'the keys of the identity provider could not be read',
      },
    ])
    nowMs = 1_000 + TRUSTED_MS - 1
    expect(await named(token)).toBe(USER)
    nowMs += 1
    expect(await named(token)).toBeUndefined()
    issuer.answer = null
    nowMs += RETRY_MS
    expect(await named(await issuer.token())).toBe(USER)
    expect(await named(token)).toBeUndefined()
  })

  test('it is asked again only after a while', async () => {
    issuer.answer = unavailable
    const token = await issuer.token()
    for (let n = 0; n < 5; n++) expect(await named(token)).toBeUndefined()
    expect(issuer.asked.discovery).toBe(1)
    expect(warnings()).toHaveLength(1)
    issuer.answer = null
    expect(await named(token)).toBeUndefined()
    nowMs += RETRY_MS
    expect(await named(token)).toBe(USER)
  })

  test('and not even there, or in the middle of its answer, nobody signs in and nothing breaks', async () => {
    const token = await issuer.token()
    issuer.answer = (response) => void response.destroy()
    expect(await named(token)).toBeUndefined()
    issuer.answer = (response) => {
      response.writeHead(200, { 'content-length': 1_000 })
      response.write('{"issuer":', () => response.destroy())
    }
    nowMs += RETRY_MS
    expect(await named(token)).toBeUndefined()
    await issuer.close()
    nowMs += RETRY_MS
    expect(await named(token)).toBeUndefined()
    expect(warnings()).toHaveLength(3)
    expect(JSON.stringify(recorded.logged)).not.toContain(token.slice(-20))
    issuer = await startIssuer(() => clock.now())
  })

  test('it is waited for no longer than some seconds', { timeout: 10_000 }, async () => {
    issuer.answer = () => undefined
    const startedAt = performance.now()
    expect(await named(await issuer.token())).toBeUndefined()
    expect(performance.now() - startedAt).toBeLessThan(6_000)
  })
})

describe('what a provider says is not believed', () => {
  test.each<[string, object]>([
    ['of another issuer', { issuer: 'https://else.example.org' }],
    ['of an issuer with a slash more', { issuer: 'http://127.0.0.1/' }],
    ['of no issuer', { issuer: undefined }],
    ['without keys', { jwks_uri: undefined }],
    ['of more than 256 KiB', { padding: 'x'.repeat(262_144) }],
    ['with keys in a file', { jwks_uri: 'file:///etc/keys.json' }],
    ['with keys behind a password', { jwks_uri: 'https://a:b@127.0.0.1/keys' }],
    ['with keys nowhere', { jwks_uri: 'keys' }],
  ])('in a discovery document %s', async (_what, discovery) => {
    issuer.discovery = discovery
    expect(await named(await issuer.token())).toBeUndefined()
    expect(issuer.asked.keys).toBe(0)
    expect(warnings()).toHaveLength(1)
  })

  test('where its keys are to be had in the clear, off this machine', async () => {
    // Leads to this machine all the same, so that only being asked tells.
    issuer.discovery = { jwks_uri: `${issuer.issuer.replace('127.0.0.1', '0.0.0.0')}/keys` }
    expect(await named(await issuer.token())).toBeUndefined()
    expect(issuer.asked.keys).toBe(0)
  })

  test('where it sends us elsewhere', async () => {
    const { issuer: origin } = issuer
    issuer.answer = (response) => {
      issuer.answer = null
      response.writeHead(302, { location: `${origin}/.well-known/openid-configuration` }).end()
    }
    expect(await named(await issuer.token())).toBeUndefined()
    expect(warnings()).toHaveLength(1)
  })

  test.each<[string, (response: ServerResponse) => void]>([
    ['no JSON', (response) => void response.writeHead(200).end('<html>')],
    ['nothing', (response) => void response.writeHead(204).end()],
    ['null', (response) => void response.writeHead(200).end('null')],
  ])('where it answers %s', async (_what, answer) => {
    issuer.answer = answer
    expect(await named(await issuer.token())).toBeUndefined()
    expect(warnings()).toHaveLength(1)
  })

  test('where it publishes no set of keys, or too many; keys of unknown kinds are passed over', async () => {
    const token = await issuer.token()
    const known = issuer.keys
    const odd = [{ jwk: { kty: 'LMS', kid: 'x' } }, { jwk: {} }, { jwk: { kty: 7 } }] as never[]
    issuer.keys = Array(101).fill(known[0])
    expect(await named(token)).toBeUndefined()
    issuer.keys = [...odd, ...known]
    nowMs += RETRY_MS
    expect(await named(token)).toBe(USER)
  })
})

test('an issuer may end with a slash, if its tokens and documents say so too', async () => {
  const slashed = `${issuer.issuer}/`
  start(slashed)
  issuer.discovery = { issuer: slashed }
  expect(await named(await issuer.token({ iss: slashed }))).toBe(USER)
  expect(await named(await issuer.token())).toBeUndefined()
})
