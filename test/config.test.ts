// Configuration: what the defaults are, what is refused, and that nothing it prints tells a value.
import { inspect } from 'node:util'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Config, readConfig } from '#config.ts'
import { CONFIG_VARIABLES } from '#config-variables.ts'

const SECRETS = `k1:${Buffer.alloc(32, 7).toString('base64')}`
const DATABASE_URL = 'postgresql://keyledger:hunter2@db.example:5432/keyledger'
const ROOT_KEY = 'root-key-of-thirty-two-characters'
const PROVIDER = { KEYLEDGER_OIDC_ISSUER: 'https://id.example.org/realm', KEYLEDGER_OIDC_AUDIENCE: 'keyledger' }

type Env = Record<string, string | undefined>

function configFrom(env: Env): Config {
  const result = readConfig(env)
  if (!result.ok) throw new Error(result.problems.join('\n'))
  return result.config
}

function problemsWith(env: Env): readonly string[] {
  const result = readConfig(env)
  return result.ok ? [] : result.problems
}

describe('without any variable', () => {
  test('everything has a default, and the database is embedded', () => {
    expect(configFrom({})).toEqual({
      host: '127.0.0.1',
      port: 4000,
      database: { kind: 'embedded', dataFolder: './.keyledger' },
      rootKey: null,
      keyring: null,
      preparedStatements: true,
      workers: 1,
      cacheCodes: 500_000,
      stalenessMs: 2_000,
      accessLogDays: 30,
      audit: { keys: null, host: 'localhost', file: null, webhook: null },
      identityProvider: null,
      graphiql: true,
      introspection: true,
      logLevel: 'info',
    })
  })

  test('what is undefined counts as absent, and what is not ours is left alone', () => {
    expect(configFrom({ PORT: undefined, PATH: '/bin', HOME: '' })).toEqual(configFrom({}))
  })
})

describe('with a database server', () => {
  test('exploring is off unless asked for', () => {
    const config = configFrom({ DATABASE_URL, KEYLEDGER_SECRETS: SECRETS })
    expect([config.graphiql, config.introspection]).toEqual([false, false])
    const asked = { KEYLEDGER_GRAPHIQL: 'on', KEYLEDGER_INTROSPECTION: 'on' }
    const open = configFrom({ DATABASE_URL, KEYLEDGER_SECRETS: SECRETS, ...asked })
    expect([open.graphiql, open.introspection]).toEqual([true, true])
  })

  test('the URL and the secrets are taken as given', () => {
    const { database, keyring } = configFrom({ DATABASE_URL, KEYLEDGER_SECRETS: SECRETS })
    expect(database.kind === 'server' && database.url.reveal()).toBe(DATABASE_URL)
    expect(keyring?.newest.id).toBe('k1')
  })

  test('secrets are required', () => {
    expect(problemsWith({ DATABASE_URL })).toEqual([expect.stringMatching(/^KEYLEDGER_SECRETS is missing/)])
  })
})

describe('an identity provider', () => {
  test('names users by their address unless told otherwise', () => {
    expect(configFrom(PROVIDER).identityProvider).toMatchObject({ userClaim: 'email' })
  })

  test.each([
    [['KEYLEDGER_OIDC_ISSUER'], ['KEYLEDGER_OIDC_AUDIENCE']],
    [['KEYLEDGER_OIDC_AUDIENCE'], ['KEYLEDGER_OIDC_ISSUER']],
    [['KEYLEDGER_OIDC_USER_CLAIM'], ['KEYLEDGER_OIDC_ISSUER', 'KEYLEDGER_OIDC_AUDIENCE']],
    [['KEYLEDGER_OIDC_USER_CLAIM', 'KEYLEDGER_OIDC_ISSUER'], ['KEYLEDGER_OIDC_AUDIENCE']],
  ])('is configured whole or not at all: with %j, %j is missing', (given, missing) => {
    const whole: Env = { ...PROVIDER, KEYLEDGER_OIDC_USER_CLAIM: 'sub' }
    const problems = problemsWith(Object.fromEntries(given.map((name) => [name, whole[name]])))
    expect(problems).toEqual(missing.map((name) => expect.stringMatching(new RegExp(`^${name} is missing\\.`))))
  })
})

test('every variable is taken', () => {
  const config = configFrom({
    HOST: '::',
    PORT: '0',
    KEYLEDGER_DATA_DIR: '/var/lib/keyledger',
    KEYLEDGER_ROOT_KEY: ROOT_KEY,
    KEYLEDGER_SECRETS: SECRETS,
    KEYLEDGER_PREPARED: 'off',
    KEYLEDGER_WORKERS: '16',
    KEYLEDGER_CACHE_CODES: '1000',
    KEYLEDGER_STALENESS_MS: '60000',
    KEYLEDGER_ACCESS_LOG_DAYS: '400',
    ...PROVIDER,
    KEYLEDGER_OIDC_USER_CLAIM: 'sub',
    KEYLEDGER_GRAPHIQL: 'off',
    KEYLEDGER_INTROSPECTION: 'off',
    LOG_LEVEL: 'silent',
  })
  expect(config).toMatchObject({
    host: '::',
    port: 0,
    database: { kind: 'embedded', dataFolder: '/var/lib/keyledger' },
    preparedStatements: false,
    workers: 16,
    cacheCodes: 1_000,
    stalenessMs: 60_000,
    accessLogDays: 400,
    identityProvider: { issuer: 'https://id.example.org/realm', audience: 'keyledger', userClaim: 'sub' },
    graphiql: false,
    introspection: false,
    logLevel: 'silent',
  })
  expect(config.rootKey?.reveal()).toBe(ROOT_KEY)
  expect(config.keyring?.newest.id).toBe('k1')
})

describe('accepted and refused', () => {
  const accepted: readonly (readonly [string, string])[] = [
    ['HOST', '0.0.0.0'],
    ['HOST', '::1'],
    ['HOST', 'localhost'],
    ['HOST', 'api.example.org'],
    ['PORT', '0'],
    ['PORT', '65535'],
    ['DATABASE_URL', 'postgres://localhost/keyledger'],
    ['DATABASE_URL', 'postgres:///keyledger?host=/var/run/postgresql'],
    ['DATABASE_URL', 'postgres://db.example.org/keyledger?sslmode=require'],
    ['DATABASE_URL', 'postgresql://%2Fvar%2Frun%2Fpostgresql/keyledger'],
    ['KEYLEDGER_ROOT_KEY', 'x'.repeat(32)],
    ['KEYLEDGER_ROOT_KEY', '!~'.repeat(128)],
    ['KEYLEDGER_WORKERS', '1'],
    ['KEYLEDGER_CACHE_CODES', '0'],
    ['KEYLEDGER_CACHE_CODES', '10000000'],
    ['KEYLEDGER_STALENESS_MS', '1000'],
    ['KEYLEDGER_ACCESS_LOG_DAYS', '1'],
    ['KEYLEDGER_AUDIT_HOST', 'keys.example.org'],
    ['KEYLEDGER_AUDIT_HOST', 'localhost:4000'],
    ['KEYLEDGER_AUDIT_WEBHOOK', 'https://user:password@siem.example.org/checkpoints?token=x'],
    ['KEYLEDGER_AUDIT_WEBHOOK', 'http://127.0.0.1:9000/'],
    ['KEYLEDGER_AUDIT_FILE', '/mnt/worm/checkpoints'],
    ['KEYLEDGER_OIDC_ISSUER', 'https://id.example.org'],
    ['KEYLEDGER_OIDC_ISSUER', 'https://id.example.org:8443/a/b/'],
    ['KEYLEDGER_OIDC_ISSUER', 'http://127.0.0.1:9000'],
    ['KEYLEDGER_OIDC_ISSUER', 'http://[::1]:9000/realm'],
    ['KEYLEDGER_OIDC_ISSUER', 'http://localhost'],
    ['KEYLEDGER_OIDC_AUDIENCE', 'api://keyledger'],
    ['KEYLEDGER_OIDC_USER_CLAIM', 'https://example.org/login'],
    ['LOG_LEVEL', 'trace'],
    ['LOG_LEVEL', 'fatal'],
  ]
  test.each(accepted)('%s may be %j', (name, value) => {
    const secrets = name === 'DATABASE_URL' ? { KEYLEDGER_SECRETS: SECRETS } : {}
    expect(problemsWith({ ...PROVIDER, [name]: value, ...secrets })).toEqual([])
  })

  const refused: readonly (readonly [string, string])[] = [
    ['HOST', 'http://localhost'],
    ['HOST', 'localhost:4000'],
    ['HOST', 'local host'],
    ['PORT', '65536'],
    ['PORT', '-1'],
    ['PORT', '4000 '],
    ['PORT', '0x10'],
    ['PORT', '1e3'],
    ['PORT', '080'],
    ['PORT', '4000.5'],
    ['DATABASE_URL', 'mysql://root:hunter2@localhost/keyledger'],
    ['DATABASE_URL', 'postgres:localhost'],
    ['DATABASE_URL', 'postgres://'],
    ['DATABASE_URL', ' postgres://localhost'],
    ['DATABASE_URL', 'postgres://localhost\n'],
    ['DATABASE_URL', 'postgres://localhost:99999/keyledger'],
    ['DATABASE_URL', 'postgres://localhost/keyledger?sslmode=prefer'],
    ['DATABASE_URL', 'host=localhost password=hunter2'],
    ['KEYLEDGER_ROOT_KEY', 'x'.repeat(31)],
    ['KEYLEDGER_ROOT_KEY', 'x'.repeat(257)],
    ['KEYLEDGER_ROOT_KEY', `${'x'.repeat(32)} y`],
    ['KEYLEDGER_ROOT_KEY', `${'x'.repeat(32)}\n`],
    ['KEYLEDGER_ROOT_KEY', 'ä'.repeat(32)],
    ['KEYLEDGER_ROOT_KEY', `eyJ${'x'.repeat(40)}.e30.x`],
    ['KEYLEDGER_AUDIT_HOST', 'https://keys.example.org'],
    ['KEYLEDGER_AUDIT_HOST', 'keys example'],
    ['KEYLEDGER_AUDIT_HOST', 'a+b'],
    ['KEYLEDGER_AUDIT_WEBHOOK', 'http://siem.example.org'],
    ['KEYLEDGER_AUDIT_WEBHOOK', 'siem.example.org'],
    ['KEYLEDGER_OIDC_ISSUER', 'http://id.example.org'],
    ['KEYLEDGER_OIDC_ISSUER', 'http://127.0.0.1.example.org'],
    ['KEYLEDGER_OIDC_ISSUER', 'http://localhost.example.org'],
    ['KEYLEDGER_OIDC_ISSUER', 'http://0.0.0.0'],
    ['KEYLEDGER_OIDC_ISSUER', 'https://user:hunter2@id.example.org'],
    ['KEYLEDGER_OIDC_ISSUER', 'https://id.example.org?x=1'],
    ['KEYLEDGER_OIDC_ISSUER', 'https://id.example.org#x'],
    ['KEYLEDGER_OIDC_ISSUER', 'https://id.example.org '],
    ['KEYLEDGER_OIDC_ISSUER', 'id.example.org'],
    ['KEYLEDGER_OIDC_ISSUER', 'file:///etc/issuer'],
    ['KEYLEDGER_OIDC_ISSUER', `https://id.example.org/${'x'.repeat(512)}`],
    ['KEYLEDGER_OIDC_AUDIENCE', 'two words'],
    ['KEYLEDGER_OIDC_AUDIENCE', 'x'.repeat(257)],
    ['KEYLEDGER_OIDC_USER_CLAIM', 'e mail'],
    ['KEYLEDGER_PREPARED', 'true'],
    ['KEYLEDGER_PREPARED', 'OFF'],
    ['KEYLEDGER_GRAPHIQL', '1'],
    ['KEYLEDGER_INTROSPECTION', 'no'],
    ['KEYLEDGER_WORKERS', '0'],
    ['KEYLEDGER_WORKERS', '17'],
    ['KEYLEDGER_CACHE_CODES', '-1'],
    ['KEYLEDGER_CACHE_CODES', '00'],
    ['KEYLEDGER_CACHE_CODES', '10000001'],
    ['KEYLEDGER_STALENESS_MS', '999'],
    ['KEYLEDGER_STALENESS_MS', '1e3'],
    ['KEYLEDGER_ACCESS_LOG_DAYS', '0'],
    ['KEYLEDGER_ACCESS_LOG_DAYS', '401'],
    ['KEYLEDGER_ACCESS_LOG_DAYS', '1.5'],
    ['KEYLEDGER_ACCESS_LOG_DAYS', '-1'],
    ['LOG_LEVEL', 'INFO'],
    ['LOG_LEVEL', 'verbose'],
  ]
  test.each(refused)('%s may not be %j', (name, value) => {
    const problems = problemsWith({ ...PROVIDER, [name]: value, KEYLEDGER_SECRETS: SECRETS })
    expect(problems).toEqual([expect.stringMatching(new RegExp(`^${name} is not valid\\.`))])
  })

  test.each(CONFIG_VARIABLES.map(({ name }) => name))('%s may not be empty', (name) => {
    const problems = problemsWith({ KEYLEDGER_SECRETS: SECRETS, ...PROVIDER, [name]: '' })
    expect(problems).toHaveLength(1)
    expect(problems[0]).toContain(name)
    expect(problems[0]).toContain('empty')
  })
})

describe('the audit log', () => {
  const key = Buffer.alloc(32, 'seed').toString('base64')
  const secrets = `k1:${Buffer.alloc(32, 'secret').toString('base64')}`

  test('takes its keys from the environment, and a name of its own where the database is a server', () => {
    const server = { DATABASE_URL: 'postgres://h/d', KEYLEDGER_SECRETS: secrets, KEYLEDGER_AUDIT_KEY: key }
    expect(problemsWith(server)).toEqual([expect.stringMatching(/^KEYLEDGER_AUDIT_HOST is missing/)])
    const read = readConfig({ ...server, KEYLEDGER_AUDIT_HOST: 'keys.example.org' })
    expect(read).toMatchObject({ ok: true, config: { audit: { host: 'keys.example.org', file: null, webhook: null } } })
  })

  test('of an embedded database is named after this machine, and an instance need have no key', () => {
    expect(readConfig({})).toMatchObject({ ok: true, config: { audit: { keys: null, host: 'localhost' } } })
    expect(problemsWith({ DATABASE_URL: 'postgres://h/d', KEYLEDGER_SECRETS: secrets })).toEqual([])
  })
})

describe('problems', () => {
  const broken = {
    HOST: 'h h',
    PORT: 'p',
    DATABASE_URL: 'mysql://u:hunter2@h',
    KEYLEDGER_DATA_DIR: '',
    KEYLEDGER_ROOT_KEY: 'short-root-key',
    KEYLEDGER_SECRETS: 'k1:c2hvcnQ=,:x',
    KEYLEDGER_PREPARED: 'maybe',
    KEYLEDGER_WORKERS: 'all',
    KEYLEDGER_CACHE_CODES: 'many',
    KEYLEDGER_STALENESS_MS: 'none',
    KEYLEDGER_ACCESS_LOG_DAYS: 'all',
    KEYLEDGER_AUDIT_KEY: 'c2hvcnQ=',
    KEYLEDGER_AUDIT_HOST: 'two words',
    KEYLEDGER_AUDIT_FILE: '',
    KEYLEDGER_AUDIT_WEBHOOK: 'http://u:hunter2@h',
    KEYLEDGER_OIDC_ISSUER: 'http://u:hunter2@h',
    KEYLEDGER_OIDC_AUDIENCE: 'two words',
    KEYLEDGER_OIDC_USER_CLAIM: 'two words',
    KEYLEDGER_GRAPHIQL: 'maybe',
    KEYLEDGER_INTROSPECTION: 'maybe',
    LOG_LEVEL: 'loud',
    KEYLEDGER_SECRET: 'misplaced-secret',
  }

  test('are listed all at once, each with name, meaning and what is accepted', () => {
    const problems = problemsWith(broken)
    expect(problems).toHaveLength(CONFIG_VARIABLES.length + 1)
    for (const { name, meaning, accepted } of CONFIG_VARIABLES) {
      const found = problems.filter((problem) => problem.startsWith(`${name} `))
      expect(found, name).toHaveLength(1)
      expect(found[0]).toContain(meaning)
      expect(found[0]).toContain(accepted)
    }
  })

  test('name every fault of the secrets', () => {
    const [problem] = problemsWith({ KEYLEDGER_SECRETS: 'k1:c2hvcnQ=,:x' })
    expect(problem).toContain('entry 1 has a value')
    expect(problem).toContain('entry 2 has an id')
    expect(problem).toContain('entry 2 has a value')
  })

  test('never tell a value, whichever variable it stood in', () => {
    for (const secret of ['hunter2', 'short-root-key', 'c2hvcnQ', 'misplaced-secret', 'mysql']) {
      expect(problemsWith(broken).join()).not.toContain(secret)
    }
    const names = CONFIG_VARIABLES.map(({ name }) => name)
    fc.assert(
      fc.property(
        fc.constantFrom(...names, 'KEYLEDGER_OTHER'),
        fc.stringMatching(/^[A-Z!"§%&]{12,40}$/),
        (name, value) => {
          expect(problemsWith({ [name]: value }).join()).not.toContain(value)
        },
      ),
    )
  })

  test('are found with a mistyped name, in any case', () => {
    for (const name of ['KEYLEDGER_SECRET', 'KEYLEDGER_ROOTKEY', 'keyledger_secrets', 'KEYLEDGER_PORT', 'KEYLEDGER_']) {
      const problems = problemsWith({ [name]: '4001' })
      expect(problems, name).toHaveLength(1)
      expect(problems[0]).toContain(`${name} is not a variable of Keyledger`)
    }
  })

  test('are not seen in what Kubernetes sets beside a service of this name', () => {
    const links = {
      KEYLEDGER_SERVICE_HOST: '10.0.0.1',
      KEYLEDGER_SERVICE_PORT: '4000',
      KEYLEDGER_SERVICE_PORT_HTTP: '4000',
      KEYLEDGER_PORT: 'tcp://10.0.0.1:4000',
      KEYLEDGER_PORT_4000_TCP: 'tcp://10.0.0.1:4000',
      KEYLEDGER_PORT_4000_TCP_PROTO: 'tcp',
      KEYLEDGER_PORT_4000_TCP_PORT: '4000',
      KEYLEDGER_PORT_4000_TCP_ADDR: '10.0.0.1',
      KEYLEDGER_POSTGRES_PORT: 'tcp://10.0.0.2:5432',
      KEYLEDGER_POSTGRES_SERVICE_HOST: '10.0.0.2',
    }
    expect(problemsWith(links)).toEqual([])
  })
})

describe('a configuration', () => {
  const config = configFrom({ DATABASE_URL, KEYLEDGER_SECRETS: SECRETS, KEYLEDGER_ROOT_KEY: ROOT_KEY, ...PROVIDER })

  test('can not be changed', () => {
    const { database, keyring, identityProvider } = config
    for (const part of [config, database, keyring, identityProvider]) expect(Object.isFrozen(part)).toBe(true)
  })

  test('prints no secret', () => {
    const printed = inspect(config, { depth: null, showHidden: true, getters: true }) + JSON.stringify(config)
    for (const secret of ['hunter2', ROOT_KEY, SECRETS.slice(3)]) expect(printed).not.toContain(secret)
  })
})

test('the environment of the process is what is read by default', () => {
  const before = process.env.KEYLEDGER_PREPARED
  process.env.KEYLEDGER_PREPARED = 'off'
  try {
    const result = readConfig()
    expect(result.ok && result.config.preparedStatements).toBe(false)
    expect(result.ok).toBe(true)
  } finally {
    if (before === undefined) delete process.env.KEYLEDGER_PREPARED
    else process.env.KEYLEDGER_PREPARED = before
  }
})

test('the defaults that are told are the defaults that hold', () => {
  const told = Object.fromEntries(CONFIG_VARIABLES.map((variable) => [variable.name, variable.default]))
  const config = configFrom({})
  expect(told.HOST).toBe(config.host)
  expect(told.PORT).toBe(String(config.port))
  expect(config.database).toEqual({ kind: 'embedded', dataFolder: told.KEYLEDGER_DATA_DIR })
  expect(told.LOG_LEVEL).toBe(config.logLevel)
  expect(told.KEYLEDGER_WORKERS).toBe(String(config.workers))
  expect(told.KEYLEDGER_CACHE_CODES).toBe(String(config.cacheCodes))
  expect(told.KEYLEDGER_STALENESS_MS).toBe(String(config.stalenessMs))
  expect(told.KEYLEDGER_ACCESS_LOG_DAYS).toBe(String(config.accessLogDays))
  expect(told.KEYLEDGER_OIDC_USER_CLAIM).toBe(configFrom(PROVIDER).identityProvider?.userClaim)
  expect(told.KEYLEDGER_PREPARED).toBe(config.preparedStatements ? 'on' : 'off')
})
