// The URL of a PostgreSQL server: what of it is accepted, and how the driver is to read it. Its TLS parameters mean what they mean
// to PostgreSQL's own tools, so that a URL which works for them works here, and never less than it says.
import type { ConnectionConfig } from 'pg'
import type { Secret } from '#secret/secret.ts'

/**
 * Those of libpq but `allow` and `prefer`, which fall back to a connection that anyone on the way can read; and of `verify-ca`
 * only what names its CA, because any public one would certify anybody.
 */
const SSL_MODES = ['disable', 'require', 'verify-ca', 'verify-full'] as const

export const SERVER_URL_ACCEPTED =
  'a URL that begins with postgres:// or postgresql://, in visible ASCII (percent-encoded where needed), whose sslmode, if it has ' +
  `one, is ${SSL_MODES.slice(0, -1).join(', ')} or ${SSL_MODES.at(-1)} (verify-ca with sslrootcert)`

export function isServerUrl(text: string): boolean {
  // The URL parser trims space and drops line breaks; a driver might not.
  if (!/^postgres(ql)?:\/\/[\x21-\x7e]+$/.test(text) || !URL.canParse(text)) return false
  const { searchParams } = new URL(text)
  const modes = searchParams.getAll('sslmode')
  if (modes.length === 0) return true
  const known: readonly (string | undefined)[] = SSL_MODES
  return modes.length === 1 && known.includes(modes[0]) && (modes[0] !== 'verify-ca' || searchParams.has('sslrootcert'))
}

/** For an accepted URL. */
export function connectionTo(url: Secret): ConnectionConfig {
  const text = url.reveal()
  const { searchParams } = new URL(text)
  if (!searchParams.has('sslmode') || searchParams.has('uselibpqcompat')) return { connectionString: text }
  // Without it the driver takes every mode but `disable` for verify-full, and warns of that in words of its own.
  return { connectionString: `${text}&uselibpqcompat=true` }
}

/** Encrypted, but whoever answers is taken for the server. */
export function isUnverified(url: Secret): boolean {
  const { searchParams } = new URL(url.reveal())
  return searchParams.get('sslmode') === 'require' && !searchParams.has('sslrootcert')
}
