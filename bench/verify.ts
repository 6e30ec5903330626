// Verifications per second over HTTP and GraphQL, as a ratio to a bare node:http server that echoes the same requests, asked by the
// same callers turn by turn in the same run. Hits are spread over all keys.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { newRootKey } from '#secret/ids.ts'
import { type HttpLoad, type HttpTarget, keepUpHttp } from './support/http-load.ts'
import { describeMachine, withInstallation } from './support/installation.ts'
import type { Options } from './support/options.ts'
import { seed } from './support/seed.ts'
import { figure, median, percentile, table } from './support/statistics.ts'

const ROUNDS = 3
const SECONDS = 3
const ROUNDS_QUICK = 1
const SECONDS_QUICK = 1
const CONCURRENCIES = [1, 32, 256]
const BATCH = 100

const SINGLE = 'query ($input: VerifyKeyInput!) { verifyKey(input: $input) { valid code keyId name permissions } }'
const MANY = 'query ($inputs: [VerifyKeyInput!]!) { verifyKeys(inputs: $inputs) { valid code keyId name permissions } }'

type Subject = { readonly name: string; readonly keysEach: number; readonly target: HttpTarget }

export async function run(options: Options): Promise<void> {
  const rounds = options.rounds ?? (options.quick ? ROUNDS_QUICK : ROUNDS)
  const seconds = options.seconds ?? (options.quick ? SECONDS_QUICK : SECONDS)
  for (const keys of options.keys)
    await withInstallation(async (installation) => {
      console.log(`\n${keys.toLocaleString('en')} keys · ${await describeMachine(installation)}`)
      const { accounts } = await seed(installation, keys)
      const secrets = accounts.flatMap((account) => account.secrets)
      const rootKey = newRootKey().reveal()
      const server = await startProcess(['src/cli/keyledger.ts', 'start'], {
        ...installation.environment,
        KEYLEDGER_ROOT_KEY: rootKey,
        PORT: '0',
        LOG_LEVEL: 'silent',
      })
      const echo = await startProcess(['bench/support/echo.ts'], {})
      try {
        await measure(subjectsOf(server.url, echo.url, rootKey, secrets), rounds, seconds)
      } finally {
        for (const { child } of [server, echo]) await stopProcess(child)
      }
    })
}

function subjectsOf(server: URL, echo: URL, rootKey: string, secrets: readonly string[]): readonly Subject[] {
  const secret = () => secrets[Math.floor(Math.random() * secrets.length)] ?? ''
  const single = (consistency: string) => () => ({
    body: JSON.stringify({ query: SINGLE, variables: { input: { key: secret(), consistency } } }),
    expected: '"code":"VALID"',
  })
  const batch = () => {
    const inputs = Array.from({ length: BATCH }, () => ({ key: secret(), consistency: 'STRONG' }))
    return { body: JSON.stringify({ query: MANY, variables: { inputs } }), expected: '"code":"VALID"' }
  }
  const common = { path: '/graphql', authorization: rootKey }
  const echoed = { ...common, url: echo, next: () => ({ body: single('STRONG')().body, expected: 'variables' }) }
  return [
    { name: 'echo', keysEach: 1, target: echoed },
    { name: 'BOUNDED', keysEach: 1, target: { ...common, url: server, next: single('BOUNDED') } },
    { name: 'STRONG', keysEach: 1, target: { ...common, url: server, next: single('STRONG') } },
    { name: `STRONG, ${BATCH} in a batch`, keysEach: BATCH, target: { ...common, url: server, next: batch } },
  ]
}

async function measure(subjects: readonly Subject[], rounds: number, seconds: number): Promise<void> {
  const loads = new Map<string, HttpLoad[]>()
  // Every key once, so that what is measured is what a service that has run for a while does.
  for (const { target } of subjects) await keepUpHttp(32, seconds, target)
  for (let round = 0; round < rounds; round++)
    for (const concurrency of CONCURRENCIES)
      for (const { name, target } of subjects) {
        const load = await keepUpHttp(concurrency, seconds, target)
        loads.set(`${name} ${concurrency}`, [...(loads.get(`${name} ${concurrency}`) ?? []), load])
      }
  const rows = CONCURRENCIES.flatMap((concurrency) => {
    const of = (name: string) => loads.get(`${name} ${concurrency}`) ?? []
    return subjects.map(({ name, keysEach }) => {
      const ratios = of(name).map(({ perSecond }, round) => perSecond / (of('echo')[round]?.perSecond ?? Number.NaN))
      const rate = median(of(name).map(({ perSecond }) => perSecond))
      const latencies = of(name).flatMap(({ latenciesMs }) => latenciesMs)
      const range = `${Math.min(...ratios).toFixed(3)} to ${Math.max(...ratios).toFixed(3)}`
      return [
        name,
        String(concurrency),
        figure(rate),
        figure(rate * keysEach),
        figure(percentile(latencies, 0.5)),
        figure(percentile(latencies, 0.99)),
        median(ratios).toFixed(3),
        range,
      ]
    })
  })
  const heads = ['operation', 'at once', 'requests/s', 'keys/s', 'p50 ms', 'p99 ms', 'ratio', 'of the rounds']
  console.log(`\nmedians of ${rounds} rounds, ${seconds} s each\n\n${table(heads, rows, 1)}`)
}

async function startProcess(args: readonly string[], environment: Readonly<Record<string, string>>) {
  const child = spawn('node', args, {
    cwd: `${import.meta.dirname}/..`,
    env: { PATH: process.env.PATH, HOME: process.env.HOME, NODE_ENV: 'production', ...environment },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  for await (const line of createInterface({ input: child.stdout })) {
    const url = /(http:\/\/[\d.:]+)/.exec(line)?.[1]
    if (url === undefined) continue
    child.stdout.resume()
    return { child, url: new URL(url) }
  }
  throw new Error(`${args.join(' ')} ended before it was ready`)
}

async function stopProcess(child: ChildProcess): Promise<void> {
  const exited = once(child, 'exit')
  child.kill('SIGTERM')
  await exited
}
