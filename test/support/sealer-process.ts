// A sealer in a process of its own, which can really be killed: between two steps, where it stops at the one it is told, or whenever.
// Prints each step as it reaches it.
import { pino } from 'pino'
import { fileAnchor } from '#audit/anchor/file-anchor.ts'
import type { OnStep } from '#audit/seal/seal-batch.ts'
import { startSealer } from '#audit/seal/sealer.ts'
import { connect } from '#database/connect.ts'
import { HOST, testSigningKeys } from './sealing.ts'
import { testKeyring } from './services.ts'

const [connectionString, anchorFile = '', stopAt] = process.argv.slice(2)
const database = connect({
  connection: { connectionString },
  prepared: true,
  poolSize: 4,
  queryTimeoutMs: 15_000,
  applicationName: 'keyledger-test-sealer',
  onIdleError: () => undefined,
})
const onStep: OnStep = async (step) => {
  process.stdout.write(`${step}\n`)
  if (step === stopAt) await new Promise(() => undefined)
}
startSealer({
  database,
  keyring: testKeyring('k1'),
  keys: testSigningKeys('first'),
  host: HOST,
  anchors: [fileAnchor(anchorFile)],
  log: pino({ level: 'error' }, pino.destination(2)),
  onStep,
}).begin()
// The timer of a sealer alone keeps no process.
setInterval(() => undefined, 60_000)
