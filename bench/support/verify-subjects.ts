// What `bench verify` compares: servers, each a process of its own, and what each is asked.
import { newRootKey } from '#secret/ids.ts'
import { type BetterAuth, startBetterAuth } from './better-auth.ts'
import { askAll, getOf, type HttpQuestion, postOf } from './http-load.ts'
import type { Installation } from './installation.ts'
import { type Started, startProcess } from './processes.ts'
import type { SeededAccount } from './seed.ts'

export const BATCH = 100
export const ECHO = 'bare echo'
export const BOUNDED = 'verifyKey BOUNDED'
export const STRONG = 'verifyKey STRONG'
export const MANY = `verifyKeys of ${BATCH}, STRONG`
export const BETTER_AUTH = 'better-auth verifyApiKey'

export type Subject = {
  readonly name: string
  readonly keysEach: number
  readonly server: Started
  next(): HttpQuestion
}

/** What Keyledger keeps unless it is told otherwise. */
const CACHE_CODES_DEFAULT = 500_000
/** Few: what is loaded for all of them at once has to be there within a second. */
export const WARMED_AT_ONCE = 4

const FIELDS = 'valid code keyId name permissions'
const SINGLE_QUERY = `query ($input: VerifyKeyInput!) { verifyKey(input: $input) { ${FIELDS} } }`
const MANY_QUERY = `query ($inputs: [VerifyKeyInput!]!) { verifyKeys(inputs: $inputs) { ${FIELDS} } }`
const VALID = '"code":"VALID"'

export type Compared = { readonly subjects: readonly Subject[]; stop(): Promise<void> }

/** Starts all servers, `alone` but that of better-auth. Those with a cache have been asked about every key once. */
export async function startSubjects(
  installation: Installation,
  accounts: readonly SeededAccount[],
  alone: boolean,
): Promise<Compared> {
  const servers: Started[] = []
  const stop = async () => {
    for (const server of servers) await server.stop()
  }
  const started = async (starting: Promise<Started>): Promise<Started> => {
    const server = await starting
    servers.push(server)
    return server
  }
  try {
    const keyCount = accounts.reduce((sum, { secrets }) => sum + secrets.length, 0)
    const rootKey = newRootKey().reveal()
    const keyledger = (cacheCodes: number) =>
      started(
        startProcess(['src/cli/keyledger.ts', 'start'], {
          ...installation.environment,
          KEYLEDGER_ROOT_KEY: rootKey,
          KEYLEDGER_CACHE_CODES: String(cacheCodes),
          PORT: '0',
          LOG_LEVEL: 'silent',
        }),
      )
    const echo = await started(startProcess(['bench/support/echo.ts']))
    const yoga = await started(startProcess(['bench/support/stock-yoga.ts']))
    const cached = await keyledger(Math.max(CACHE_CODES_DEFAULT, keyCount))
    const uncached = await keyledger(0)
    const halved = keyCount > CACHE_CODES_DEFAULT ? [await keyledger(CACHE_CODES_DEFAULT)] : []
    const betterAuth = alone ? [] : [await startBetterAuth(installation, keyCount)]
    servers.push(...betterAuth.map(({ server }) => server))
    const ours = questionsOn(rootKey, accounts)
    for (const { url } of [cached, ...halved]) await askAll(WARMED_AT_ONCE, url, ours.everyKey(url))
    const subject = (name: string, server: Started, next: (url: URL) => HttpQuestion, keysEach = 1): Subject => ({
      name,
      keysEach,
      server,
      next: () => next(server.url),
    })
    const subjects = [
      subject(ECHO, echo, ours.echoed),
      subject('stock Yoga { __typename }', yoga, typename),
      subject(BOUNDED, cached, ours.single('BOUNDED')),
      subject(STRONG, cached, ours.single('STRONG')),
      ...halved.map((server) => subject('STRONG, cache of half the keys', server, ours.single('STRONG'))),
      subject('STRONG, without cache', uncached, ours.single('STRONG')),
      subject(MANY, cached, ours.batch, BATCH),
      subject('forward-auth', cached, ours.forwardAuth),
      ...betterAuth.map((one) => subject(BETTER_AUTH, one.server, theirs(one))),
    ]
    return { subjects, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** What a Keyledger server can be asked about these keys. */
export function questionsOn(rootKey: string, accounts: readonly SeededAccount[]) {
  const keys = accounts.flatMap(({ keyspaceId, secrets }) => secrets.map((secret) => ({ keyspaceId, secret })))
  const authorization = { Authorization: `Bearer ${rootKey}` }
  const anyKey = () => oneOf(keys)
  const singleBody = (consistency: string) =>
    JSON.stringify({ query: SINGLE_QUERY, variables: { input: { key: anyKey().secret, consistency } } })
  const ask = (url: URL, body: string, times = 1): HttpQuestion => ({
    request: postOf(url, '/graphql', authorization, body),
    expected: VALID,
    times,
  })
  const batchOf = (url: URL, secrets: readonly string[]) => {
    const inputs = secrets.map((key) => ({ key, consistency: 'STRONG' }))
    return ask(url, JSON.stringify({ query: MANY_QUERY, variables: { inputs } }), secrets.length)
  }
  return {
    single: (consistency: string) => (url: URL) => ask(url, singleBody(consistency)),
    echoed: (url: URL) => ({ ...ask(url, singleBody('STRONG')), expected: 'variables' }),
    batch: (url: URL) =>
      batchOf(
        url,
        Array.from({ length: BATCH }, () => anyKey().secret),
      ),
    *everyKey(url: URL) {
      for (let at = 0; at < keys.length; at += BATCH)
        yield batchOf(
          url,
          keys.slice(at, at + BATCH).map(({ secret }) => secret),
        )
    },
    forwardAuth(url: URL): HttpQuestion {
      const { keyspaceId, secret } = anyKey()
      const request = getOf(url, `/forward-auth?keyspace=${keyspaceId}&permission=reports.read`, {
        'X-Keyledger-Authorization': `Bearer ${rootKey}`,
        'X-Forwarded-Method': 'GET',
        'X-Forwarded-Uri': '/reports/7',
        'X-API-Key': secret,
      })
      return { request, expected: 'HTTP/1.1 200 OK', times: 1 }
    },
  }
}

function typename(url: URL): HttpQuestion {
  const request = postOf(url, '/graphql', {}, JSON.stringify({ query: '{ __typename }' }))
  return { request, expected: '"__typename":"Query"', times: 1 }
}

function theirs({ keys }: BetterAuth): (url: URL) => HttpQuestion {
  return (url) => ({
    request: postOf(url, '/', {}, JSON.stringify({ key: oneOf(keys) })),
    expected: '"valid":true',
    times: 1,
  })
}

function oneOf<Item>(items: readonly Item[]): Item {
  const item = items[Math.floor(Math.random() * items.length)]
  if (item === undefined) throw new Error('there is something to choose from')
  return item
}
