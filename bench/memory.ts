// What a code takes in verification's memory, and that its bound holds where there are more codes than it keeps: in a process of
// its own, through the same finder, database and feed as a server's.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { Readable } from 'node:stream'
import { describeMachine, withInstallation } from './support/installation.ts'
import type { Options } from './support/options.ts'
import { seed } from './support/seed.ts'

export async function run({ keys }: Options): Promise<void> {
  await withInstallation(async (installation) => {
    const keyCount = Math.max(...keys)
    console.log(`\n${keyCount.toLocaleString('en')} keys · ${await describeMachine(installation)}`)
    const { accounts } = await seed(installation, keyCount)
    const child = spawn(process.execPath, ['--expose-gc', `${import.meta.dirname}/support/kept-codes.ts`], {
      env: { ...process.env, NODE_ENV: 'production', ...installation.environment },
      stdio: ['pipe', 'inherit', 'inherit'],
    })
    const exited = once(child, 'exit')
    Readable.from(lines(accounts)).pipe(child.stdin)
    const [code] = await exited
    if (code !== 0) throw new Error(`the measuring process ended with ${code}`)
  })
}

/** In no order: of whichever account, as they would be asked about. */
function* lines(accounts: readonly { readonly secrets: readonly string[] }[]): Generator<string> {
  const secrets = accounts.flatMap((account) => account.secrets)
  for (let at = secrets.length - 1; at >= 0; at--) {
    const other = Math.floor(Math.random() * (at + 1))
    yield `${secrets[other]}\n`
    secrets[other] = secrets[at] ?? ''
  }
}
