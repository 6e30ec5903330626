// The configuration of the process: the only reader of process.env. Every problem is listed at once, by the variable's
// name and what it accepts, and never with a value: any of them may be a secret, some by being in the wrong variable.
import { z } from 'zod'
import { parseSigningKeys, type SigningKeys } from '#audit/note/signing-key.ts'
import { isServerUrl } from '#database/server-url.ts'
import { type Keyring, parseKeyring } from '#secret/keyring.ts'
import { Secret } from '#secret/secret.ts'
import type { IdentityProvider } from '#verify/identity-token.ts'
import { isIssuer, mayBeAsked } from '#verify/issuer-url.ts'
import { DESCRIPTIONS, LOG_LEVELS, type VariableName } from './config-variables.ts'

export type LogLevel = (typeof LOG_LEVELS)[number]

export type DatabaseConfig =
  /** The URL holds a password, hence the box. */
  | { readonly kind: 'server'; readonly url: Secret }
  /** A path as it was given, relative to the working directory. */
  | { readonly kind: 'embedded'; readonly dataFolder: string }

export type AuditConfig = {
  /** Null only where the database is embedded, where they are then made and kept, or where this instance is not to seal. */
  readonly keys: SigningKeys | null
  /** The first part of the origin of logs. */
  readonly host: string
  /** A path as it was given. */
  readonly file: string | null
  /** May hold a password. */
  readonly webhook: Secret | null
}

export type Config = {
  readonly host: string
  /** 0 for any free port. */
  readonly port: number
  readonly database: DatabaseConfig
  /** Null: one is made and printed at the first start. */
  readonly rootKey: Secret | null
  /** Null only where the database is embedded: one is then made and kept in its data folder. */
  readonly keyring: Keyring | null
  readonly preparedStatements: boolean
  /** Processes that serve; one is this process itself. */
  readonly workers: number
  /** Most codes that verification keeps in memory, in each of them. */
  readonly cacheCodes: number
  /** How old the view may be that a BOUNDED verification is answered from. */
  readonly stalenessMs: number
  readonly accessLogDays: number
  /** Null: no user signs in by a token. */
  readonly identityProvider: IdentityProvider | null
  readonly audit: AuditConfig
  readonly graphiql: boolean
  readonly introspection: boolean
  readonly logLevel: LogLevel
}

export type ConfigResult =
  | { readonly ok: true; readonly config: Config }
  | { readonly ok: false; readonly problems: readonly string[] }

function count(min: number, max: number) {
  return z
    .string()
    .regex(/^(0|[1-9][0-9]{0,8})$/)
    .transform(Number)
    .pipe(z.number().min(min).max(max))
}

const onOff = z.enum(['on', 'off']).transform((value) => value === 'on')

// Defaults that depend on another variable are filled in by `configOf`.
const ENVIRONMENT = z.object({
  HOST: z.union([z.ipv4(), z.ipv6(), z.hostname()]).default('127.0.0.1'),
  PORT: z
    .string()
    .regex(/^(0|[1-9][0-9]{0,4})$/)
    .transform(Number)
    .pipe(z.number().max(65_535))
    .default(4000),
  DATABASE_URL: z.string().refine(isServerUrl).optional(),
  KEYLEDGER_DATA_DIR: z.string().min(1).default('./.keyledger'),
  KEYLEDGER_ROOT_KEY: z
    .string()
    .regex(/^(?!eyJ)[\x21-\x7e]{32,256}$/)
    .optional(),
  KEYLEDGER_SECRETS: z.string().optional(),
  KEYLEDGER_PREPARED: onOff.default(true),
  KEYLEDGER_WORKERS: count(1, 16).default(1),
  KEYLEDGER_CACHE_CODES: count(0, 10_000_000).default(500_000),
  KEYLEDGER_STALENESS_MS: count(1_000, 60_000).default(2_000),
  KEYLEDGER_ACCESS_LOG_DAYS: count(1, 400).default(30),
  KEYLEDGER_AUDIT_KEY: z.string().optional(),
  KEYLEDGER_AUDIT_HOST: z
    .string()
    .regex(/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?(:[0-9]{1,5})?$/)
    .optional(),
  KEYLEDGER_AUDIT_FILE: z.string().min(1).optional(),
  KEYLEDGER_AUDIT_WEBHOOK: z.string().refine(isWebhook).optional(),
  KEYLEDGER_OIDC_ISSUER: z.string().refine(isIssuer).optional(),
  KEYLEDGER_OIDC_AUDIENCE: z
    .string()
    .regex(/^[\x21-\x7e]{1,256}$/)
    .optional(),
  KEYLEDGER_OIDC_USER_CLAIM: z
    .string()
    .regex(/^[\x21-\x7e]{1,128}$/)
    .optional(),
  KEYLEDGER_GRAPHIQL: onOff.optional(),
  KEYLEDGER_INTROSPECTION: onOff.optional(),
  LOG_LEVEL: z.enum(LOG_LEVELS).default('info'),
} satisfies Record<VariableName, z.ZodType>)

type Environment = Readonly<Record<string, string | undefined>>

/**
 * Reads the configuration, frozen, or every problem with it, each a sentence fit to be printed. A variable that is set but
 * empty is a problem: an empty DATABASE_URL must not start a new, embedded database in silence.
 */
export function readConfig(env: Environment = process.env): ConfigResult {
  const parsed = ENVIRONMENT.safeParse(env)
  const { DATABASE_URL, KEYLEDGER_SECRETS, KEYLEDGER_AUDIT_KEY } = env
  const keyring = KEYLEDGER_SECRETS === undefined ? undefined : parseKeyring(KEYLEDGER_SECRETS)
  const signing = KEYLEDGER_AUDIT_KEY === undefined ? undefined : parseSigningKeys(KEYLEDGER_AUDIT_KEY)
  const problems = [
    ...invalidNames(parsed.error).map((name) => problemOf(name, env[name] === '' ? 'is empty' : 'is not valid')),
    ...(keyring === undefined && DATABASE_URL !== undefined ? [problemOf('KEYLEDGER_SECRETS', 'is missing')] : []),
    ...(keyring?.ok === false ? [problemOf('KEYLEDGER_SECRETS', `is not valid: ${keyring.problems.join('; ')}`)] : []),
    ...(signing?.ok === false
      ? [problemOf('KEYLEDGER_AUDIT_KEY', `is not valid: ${signing.problems.join('; ')}`)]
      : []),
    ...missingOfAudit(env).map((name) => problemOf(name, 'is missing')),
    ...missingOfProvider(env).map((name) => problemOf(name, 'is missing')),
    ...unknownNames(env).map((name) => `${name} is not a variable of Keyledger. There is ${NAMES.join(', ')}.`),
  ]
  if (problems.length > 0 || !parsed.success) return { ok: false, problems }
  return {
    ok: true,
    config: configOf(parsed.data, keyring?.ok ? keyring.keyring : null, signing?.ok ? signing.keys : null),
  }
}

function configOf(read: z.output<typeof ENVIRONMENT>, keyring: Keyring | null, keys: SigningKeys | null): Config {
  const url = read.DATABASE_URL
  const embedded = url === undefined
  const database: DatabaseConfig = embedded
    ? { kind: 'embedded', dataFolder: read.KEYLEDGER_DATA_DIR }
    : { kind: 'server', url: new Secret(url) }
  return Object.freeze({
    host: read.HOST,
    port: read.PORT,
    database: Object.freeze(database),
    rootKey: read.KEYLEDGER_ROOT_KEY === undefined ? null : new Secret(read.KEYLEDGER_ROOT_KEY),
    keyring,
    preparedStatements: read.KEYLEDGER_PREPARED,
    workers: read.KEYLEDGER_WORKERS,
    cacheCodes: read.KEYLEDGER_CACHE_CODES,
    stalenessMs: read.KEYLEDGER_STALENESS_MS,
    accessLogDays: read.KEYLEDGER_ACCESS_LOG_DAYS,
    identityProvider: identityProviderOf(read),
    audit: Object.freeze({
      keys,
      host: read.KEYLEDGER_AUDIT_HOST ?? 'localhost',
      file: read.KEYLEDGER_AUDIT_FILE ?? null,
      webhook: read.KEYLEDGER_AUDIT_WEBHOOK === undefined ? null : new Secret(read.KEYLEDGER_AUDIT_WEBHOOK),
    }),
    // What helps to explore helps an attacker too: a database of its own is taken for a sign of production.
    graphiql: read.KEYLEDGER_GRAPHIQL ?? embedded,
    introspection: read.KEYLEDGER_INTROSPECTION ?? embedded,
    logLevel: read.LOG_LEVEL,
  })
}

function identityProviderOf(read: z.output<typeof ENVIRONMENT>): IdentityProvider | null {
  const { KEYLEDGER_OIDC_ISSUER: issuer, KEYLEDGER_OIDC_AUDIENCE: audience } = read
  if (issuer === undefined || audience === undefined) return null
  const userClaim = read.KEYLEDGER_OIDC_USER_CLAIM ?? DESCRIPTIONS.KEYLEDGER_OIDC_USER_CLAIM.default
  return Object.freeze({ issuer, audience, userClaim })
}

/** Logs of two installations under one name could be taken for one that was changed. */
function missingOfAudit(env: Environment): readonly VariableName[] {
  const isNeeded = env.DATABASE_URL !== undefined && env.KEYLEDGER_AUDIT_KEY !== undefined
  return isNeeded && env.KEYLEDGER_AUDIT_HOST === undefined ? ['KEYLEDGER_AUDIT_HOST'] : []
}

function isWebhook(url: string): boolean {
  if (!URL.canParse(url)) return false
  const { username, password } = new URL(url)
  return mayBeAsked(username === '' && password === '' ? url : url.replace(/\/\/[^/@]*@/, '//'))
}

/** All or nothing: without an audience, tokens for any other service of the organisation would do. */
function missingOfProvider(env: Environment): readonly VariableName[] {
  const needed = ['KEYLEDGER_OIDC_ISSUER', 'KEYLEDGER_OIDC_AUDIENCE'] as const
  const given = [...needed, 'KEYLEDGER_OIDC_USER_CLAIM'].some((name) => env[name] !== undefined)
  return given ? needed.filter((name) => env[name] === undefined) : []
}

const NAMES: readonly VariableName[] = ENVIRONMENT.keyof().options

function invalidNames(error: z.ZodError | undefined): readonly VariableName[] {
  const invalid = new Set(error?.issues.map((issue) => issue.path[0]))
  return NAMES.filter((name) => invalid.has(name))
}

function problemOf(name: VariableName, what: string): string {
  const { meaning, accepted } = DESCRIPTIONS[name]
  return `${name} ${what}. Meaning: ${meaning}. Accepted: ${accepted}.`
}

/** A mistyped name would otherwise leave a default in force, which no one notices. */
function unknownNames(env: Environment): readonly string[] {
  return Object.keys(env).filter(
    (name) => /^keyledger_/i.test(name) && !(name in DESCRIPTIONS) && !isServiceLink(name, env[name] ?? ''),
  )
}

// Kubernetes puts such variables into every pod beside a service whose name begins with `keyledger`, unasked.
const SERVICE_LINK =
  /^KEYLEDGER_([A-Z0-9_]+_)?(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT_\d+_(TCP|UDP|SCTP)(_[A-Z]+)?)$/

function isServiceLink(name: string, value: string): boolean {
  // KEYLEDGER_PORT alone is a likely mistake for PORT; a link's is a URL.
  return SERVICE_LINK.test(name) || (/^KEYLEDGER_([A-Z0-9_]+_)?PORT$/.test(name) && /^(tcp|udp|sctp):\/\//.test(value))
}
