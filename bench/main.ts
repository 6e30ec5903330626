// `npm run bench -- <name> [options]`: measures one thing and prints ratios that were measured in the same run, because a
// figure per second says more about the machine than about the software.
import { type Options, parseOptions } from './support/options.ts'

const benchmarks: Readonly<Record<string, () => Promise<{ run(options: Options): Promise<void> }>>> = {
  audit: () => import('./audit.ts'),
  history: () => import('./history.ts'),
  memory: () => import('./memory.ts'),
  mutations: () => import('./mutations.ts'),
  replay: () => import('./replay.ts'),
  soak: () => import('./soak.ts'),
  verify: () => import('./verify.ts'),
  workers: () => import('./workers.ts'),
}

const [name = '', ...rest] = process.argv.slice(2)
const load = Object.hasOwn(benchmarks, name) ? benchmarks[name] : undefined
if (load === undefined) {
  console.error(
    `usage: npm run bench -- ${Object.keys(benchmarks).join('|')} [--quick] [--alone] [--keys N,N] [--events N] [--rounds N] [--seconds N]`,
  )
  process.exitCode = 2
} else {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))
  const { run } = await load()
  await run(parseOptions(rest))
}
