// `keyledger audit verify <folder>`: an export against itself, against keys that are trusted, and against what was kept outside. Works
// offline and loads no server code: no database, no GraphQL, no configuration.
import { readFileSync, statSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { parseVkey, type Verifier } from '#audit/note/signing-key.ts'
import { type Known, parseKnown } from '#audit/verify/known.ts'
import { readStateFile, type StateFile, writeStateFile } from '#audit/verify/state-file.ts'
import { type Verification, verifyFolder } from '#audit/verify/verify.ts'
import { complain, EXIT_OK, EXIT_PROBLEM, EXIT_USAGE } from './exit.ts'

const EXITS = { sound: EXIT_OK, tampered: EXIT_PROBLEM, incomplete: EXIT_USAGE } as const
const USAGE =
  'Usage: keyledger audit verify <folder> [--key <vkey>]… [--state <file>] [--known <file>]… [--json]\n' +
  'Exits with 0 if the export is sound, 1 if it was tampered with, 2 if it is incomplete.'

type Call = {
  readonly folder: string
  readonly statePath: string
  readonly state: StateFile | undefined
  readonly keys: readonly Verifier[]
  readonly known: readonly Known[]
  readonly isJson: boolean
}

export async function auditVerify(args: readonly string[]): Promise<number> {
  const call = readCall(args)
  if (typeof call === 'string') {
    complain(call)
    return EXIT_USAGE
  }
  const { verification, keys, logs } = verifyFolder(call.folder, call.keys, call.known)
  const isSound = verification.verdict === 'sound'
  if (isSound) {
    // Logs of other installations that were verified with the same state.
    const others = call.state?.logs.filter(({ origin }) => logs.every((log) => log.origin !== origin)) ?? []
    const all = [...new Map([...call.keys, ...keys].map((key) => [key.vkey, key])).values()]
    writeStateFile(call.statePath, { keys: all, logs: [...others, ...logs] })
  }
  process.stdout.write(call.isJson ? `${JSON.stringify(verification)}\n` : textOf(verification, call.statePath))
  return EXITS[verification.verdict]
}

/** What is wrong with the call, in a sentence, where it can't be followed. */
function readCall(args: readonly string[]): Call | string {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        key: { type: 'string', multiple: true, default: [] },
        state: { type: 'string', default: './audit-state.json' },
        known: { type: 'string', multiple: true, default: [] },
        json: { type: 'boolean', default: false },
      },
    })
    const [folder, ...more] = positionals
    if (folder === undefined || more.length > 0) return USAGE
    if (!statSync(folder).isDirectory()) return `${folder} is no folder.`
    const state = readStateFile(values.state)
    const keys = values.key.map(parseVkey).filter((key) => key !== undefined)
    if (keys.length < values.key.length) return 'A --key is not a vkey (name+id+key) of an Ed25519 key.'
    if (keys.length === 0 && state === undefined) return 'No key is trusted yet: name one by --key. See docs/audit.md.'
    const known = values.known.flatMap(readKnown)
    return {
      ...{ folder, state, statePath: values.state, isJson: values.json },
      keys: [...keys, ...(state?.keys ?? [])],
      known: [...known, ...(state?.logs ?? [])],
    }
  } catch (error) {
    return `${error instanceof Error ? error.message : String(error)}\n${USAGE}`
  }
}

function readKnown(path: string): readonly Known[] {
  const known = parseKnown(path, readFileSync(path, 'utf8'))
  if (known !== undefined) return known
  throw new Error(`${path} is neither a checkpoint nor a proof, an account head or the lines of an anchor.`)
}

function textOf(verification: Verification, statePath: string): string {
  const { verdict, findings, counts } = verification
  const more = Object.values(counts).reduce((sum, count) => sum + count, 0) - findings.length
  return [
    headline(verification),
    ...verification.erased.map(
      ({ userId, eventId, values }) => `erased  ${userId}: ${values} values are gone, as the event ${eventId} says.`,
    ),
    ...findings.map(({ kind, what, detail }) => `${kind}  ${what}: ${detail}`),
    ...(more > 0 ? [`… and ${more} more of these kinds.`] : []),
    ...(verdict === 'sound' ? [`Kept for the next time: ${statePath}`] : []),
    '',
  ].join('\n')
}

function headline({ verdict, origin, size, root, events, pending }: Verification): string {
  if (origin === null) return `${verdict}: the export can not be read as a whole.`
  const waiting = pending === 0 ? '' : ` ${pending} ${pending === 1 ? 'event is' : 'events are'} not sealed yet.`
  const log = `${origin} has ${size} entries and the root ${root}. ${events} events were read.${waiting}`
  if (verdict === 'sound') return `sound: ${log}`
  return verdict === 'tampered'
    ? `tampered: something contradicts what was signed or kept, or itself. ${log}`
    : `incomplete: nothing contradicts, but not all could be verified. ${log}`
}
