// Checkpoints sent to somebody else's server: a log collector, a customer's SIEM, an object store that forbids deletion.
import type { Secret } from '#secret/secret.ts'
import { type Anchor, writeRecord } from './anchor.ts'

const TIMEOUT_MS = 10_000

/** `url` may hold a password or a token; only its host is ever told. */
export function webhookAnchor(url: Secret): Anchor {
  return {
    name: new URL(url.reveal()).host,
    // What others have received they compare themselves: `keyledger audit verify --known`.
    records: async () => [],
    async keep(record) {
      const { username, password, ...target } = splitCredentials(url)
      const response = await fetch(target.href, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          ...(username !== '' && {
            authorization: `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`,
          }),
        },
        body: writeRecord(record),
        redirect: 'error',
        signal: AbortSignal.timeout(TIMEOUT_MS),
      })
      await response.body?.cancel()
      if (!response.ok) throw new Error(`It answered ${response.status}`)
    },
  }
}

/** fetch refuses URLs with a password in them. */
function splitCredentials(secret: Secret): {
  readonly href: string
  readonly username: string
  readonly password: string
} {
  const url = new URL(secret.reveal())
  const credentials = { username: decodeURIComponent(url.username), password: decodeURIComponent(url.password) }
  url.username = ''
  url.password = ''
  return { href: url.href, ...credentials }
}
