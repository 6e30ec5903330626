// Every variable that is read, as help, README and error messages tell of it.
import { SERVER_URL_ACCEPTED } from '#database/server-url.ts'

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const

type Description = {
  /** As a person reads it; null where there is none. */
  readonly default: string | null
  readonly meaning: string
  readonly accepted: string
}

export type ConfigVariable = Description & { readonly name: string }

export const DESCRIPTIONS = {
  HOST: { default: '127.0.0.1', meaning: 'address to listen on', accepted: 'an IP address or a host name' },
  PORT: { default: '4000', meaning: 'port to listen on', accepted: '0 to 65535, 0 for any free one' },
  DATABASE_URL: {
    default: null,
    meaning: 'the PostgreSQL server to use; without it, an embedded one',
    accepted: SERVER_URL_ACCEPTED,
  },
  KEYLEDGER_DATA_DIR: {
    default: './.keyledger',
    meaning: 'folder of the embedded database; of no effect with DATABASE_URL',
    accepted: 'a path',
  },
  KEYLEDGER_ROOT_KEY: {
    default: null,
    meaning: 'the credential that may do anything; without it, one is made and printed at the first start',
    accepted: '32 to 256 visible ASCII characters that do not begin with eyJ, as tokens do',
  },
  KEYLEDGER_SECRETS: {
    default: null,
    meaning:
      'the secrets from which digests, seals and MACs are made; without it, an embedded database makes and keeps one',
    accepted: 'id:base64,… newest first, each 32 random bytes; required with DATABASE_URL',
  },
  KEYLEDGER_PREPARED: {
    default: 'on',
    meaning: 'prepared statements; off behind a pooler that does not keep them',
    accepted: 'on or off',
  },
  KEYLEDGER_WORKERS: {
    default: '1',
    meaning: 'processes that serve, on one port; each has a cache and connections of its own',
    accepted: '1 to 16',
  },
  KEYLEDGER_CACHE_CODES: {
    default: '500000',
    meaning:
      'how many codes verification keeps in memory, some 1.7 KB each; one that takes more than 2 KB counts as several',
    accepted: '0 to 10000000; with 0 every verification asks the database',
  },
  KEYLEDGER_STALENESS_MS: {
    default: '2000',
    meaning: 'the bound of BOUNDED verifications, in milliseconds: what is older is not answered from',
    accepted: '1000 to 60000',
  },
  KEYLEDGER_ACCESS_LOG_DAYS: {
    default: '30',
    meaning: 'days that entries of the access log are kept, those of forward-auth too',
    accepted: '1 to 400',
  },
  KEYLEDGER_AUDIT_KEY: {
    default: null,
    meaning:
      'the keys that checkpoints of the audit log are signed by; without it an embedded database makes and keeps one, and an instance ' +
      'on DATABASE_URL seals nothing',
    accepted: 'base64,… newest first, each an Ed25519 seed of 32 random bytes; never one of KEYLEDGER_SECRETS',
  },
  KEYLEDGER_AUDIT_HOST: {
    default: 'localhost when embedded',
    meaning: 'what audit logs are named after: `<this>/audit/1` for the first; of no effect on one that has begun',
    accepted: 'a host name, with a port where need be; required with DATABASE_URL and KEYLEDGER_AUDIT_KEY',
  },
  KEYLEDGER_AUDIT_FILE: {
    default: null,
    meaning: 'a file that checkpoints are appended to, on a disk that the owner of the database can not reach',
    accepted: 'a path',
  },
  KEYLEDGER_AUDIT_WEBHOOK: {
    default: null,
    meaning: 'where checkpoints are sent, by POST as JSON',
    accepted: 'an https URL, with a user and password where need be; http on this machine only',
  },
  KEYLEDGER_OIDC_ISSUER: {
    default: null,
    meaning: 'the identity provider whose tokens users sign in with; with KEYLEDGER_OIDC_AUDIENCE',
    accepted: 'an https URL as its tokens write it, without query and fragment; http on this machine only',
  },
  KEYLEDGER_OIDC_AUDIENCE: {
    default: null,
    meaning: 'what its tokens for this API are made out to; with KEYLEDGER_OIDC_ISSUER',
    accepted: '1 to 256 visible ASCII characters',
  },
  KEYLEDGER_OIDC_USER_CLAIM: {
    default: 'email',
    meaning: "the claim of its tokens that is a user's externalId; email only where email_verified is not false",
    accepted: '1 to 128 visible ASCII characters; only with KEYLEDGER_OIDC_ISSUER',
  },
  KEYLEDGER_GRAPHIQL: {
    default: 'on when embedded, off with DATABASE_URL',
    meaning: 'the GraphiQL page at /graphql',
    accepted: 'on or off',
  },
  KEYLEDGER_INTROSPECTION: {
    default: 'on when embedded, off with DATABASE_URL',
    meaning: 'introspection of the GraphQL schema',
    accepted: 'on or off',
  },
  LOG_LEVEL: { default: 'info', meaning: 'the least severe entries to log', accepted: LOG_LEVELS.join(', ') },
} as const satisfies Record<string, Description>

export type VariableName = keyof typeof DESCRIPTIONS

/** Every variable that is read, in the order in which help and README list them. */
export const CONFIG_VARIABLES: readonly ConfigVariable[] = Object.entries(DESCRIPTIONS).map(([name, description]) => ({
  name,
  ...description,
}))
