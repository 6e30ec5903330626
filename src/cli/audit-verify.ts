// `keyledger audit verify <folder>`: an export against itself, against keys that are trusted, and against what was kept outside. Works
// offline and loads no server code: no database, no GraphQL, no configuration.
import { readFileSync, realpathSync, statSync } from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { parseVkey, type Verifier } from '#audit/note/signing-key.ts'
import { type Known, parseKnown } from '#audit/verify/known.ts'
import { readStateFile, type StateFile, writeStateFile } from '#audit/verify/state-file.ts'
import { type AcceptedLoss, type Verification, type Verified, verifyFolder } from '#audit/verify/verify.ts'
import { complain, EXIT_OK, EXIT_PROBLEM, EXIT_USAGE } from './exit.ts'
import { printable } from './printable.ts'

const EXITS = { sound: EXIT_OK, tampered: EXIT_PROBLEM, incomplete: EXIT_USAGE } as const
const USAGE =
  'Usage: keyledger audit verify <folder> [--key <vkey>]… [--state <file>] [--known <file>]… [--accept <log>]… [--json]\n' +
  'Exits with 0 if the export is sound, 1 if it was tampered with, 2 if it is incomplete,\n' +
  'if the call was wrong, or if the verification could not be finished. See docs/audit.md.'

type Call = {
  readonly folder: string
  readonly statePath: string
  readonly state: StateFile | undefined
  readonly keys: readonly Verifier[]
  readonly known: readonly Known[]
  readonly accepts: ReadonlySet<string>
  readonly accepted: readonly AcceptedLoss[]
  readonly isJson: boolean
}

export async function auditVerify(args: readonly string[]): Promise<number> {
  // Nobody reads on: what was verified is not told, and that must not look like a verdict.
  process.stdout.once('error', () => process.exit(EXIT_USAGE))
  if (args.includes('--help') || args.includes('-h')) {
    process.stdout.write(`${USAGE}\n`)
    return EXIT_OK
  }
  const call = readCall(args)
  if (typeof call === 'string') {
    complain(call)
    return EXIT_USAGE
  }
  try {
    return verify(call)
  } catch (error) {
    // Exit code 1 says that somebody tampered: a fault of this software or machine does not.
    complain(printable(`The verification could not be finished: ${error instanceof Error ? error.message : error}`))
    return EXIT_USAGE
  }
}

function verify(call: Call): number {
  const verified = verifyFolder(call.folder, call)
  const { verification } = verified
  process.stdout.write(call.isJson ? `${JSON.stringify(verification)}\n` : textOf(verification))
  for (const name of call.accepts)
    if (verification.accepted.every(({ log }) => log !== name))
      complain(printable(`--accept ${name}: no loss before it was found.`))
  if (verification.verdict !== 'sound') return EXITS[verification.verdict]
  try {
    keep(call, verified)
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    complain(printable(`Nothing was kept for the next time, ${call.statePath} could not be written: ${why}`))
    return EXIT_USAGE
  }
  if (!call.isJson) process.stdout.write(printable(`Kept for the next time: ${call.statePath}`).concat('\n'))
  return EXIT_OK
}

function keep({ keys, state, statePath }: Call, verified: Verified): void {
  // Logs of other installations that were verified with the same state.
  const others = state?.logs.filter(({ origin }) => verified.logs.every((log) => log.origin !== origin)) ?? []
  const all = [...new Map([...keys, ...verified.keys].map((key) => [key.vkey, key])).values()]
  const isOfOthers = ({ log }: AcceptedLoss) => others.some(({ origin }) => origin === log)
  const accepted = [...(state?.accepted.filter(isOfOthers) ?? []), ...verified.accepted]
  writeStateFile(statePath, { keys: all, logs: [...others, ...verified.logs], accepted })
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
        accept: { type: 'string', multiple: true, default: [] },
        json: { type: 'boolean', default: false },
      },
    })
    const [folder, ...more] = positionals
    if (folder === undefined || more.length > 0) return USAGE
    if (!statSync(folder).isDirectory()) return `${folder} is no folder.`
    if (isInside(values.state, folder))
      return `The state ${values.state} would lie in the folder that is verified, where whoever made that could have put it: name another one by --state.`
    const state = readStateFile(values.state)
    const keys = values.key.map(parseVkey).filter((key) => key !== undefined)
    if (keys.length < values.key.length) return 'A --key is not a vkey (name+id+key) of an Ed25519 key.'
    if (keys.length === 0 && state === undefined) return 'No key is trusted yet: name one by --key. See docs/audit.md.'
    const known = values.known.flatMap(readKnown)
    return {
      ...{ folder, state, statePath: values.state, isJson: values.json },
      keys: [...keys, ...(state?.keys ?? [])],
      known: [...known, ...(state?.logs ?? [])],
      accepts: new Set(values.accept),
      accepted: state?.accepted ?? [],
    }
  } catch (error) {
    return `${error instanceof Error ? error.message : String(error)}\n${USAGE}`
  }
}

/** By where both really are, whatever links lead there. */
function isInside(file: string, folder: string): boolean {
  const realFolder = realpathSync(folder)
  const places = [path.join(realpathOr(path.dirname(file)), path.basename(file)), realpathOr(file)]
  return places.some((place) => place.startsWith(path.join(realFolder, path.sep)))
}

function realpathOr(file: string): string {
  try {
    return realpathSync(file)
  } catch {
    return path.resolve(file)
  }
}

function readKnown(file: string): readonly Known[] {
  const known = parseKnown(file, readFileSync(file, 'utf8'))
  if (known !== undefined) return known
  throw new Error(`${file} is neither a checkpoint nor a proof, an account head or the lines of an anchor.`)
}

function textOf(verification: Verification): string {
  const { findings, counts, opened, accepted } = verification
  const more = Object.values(counts).reduce((sum, count) => sum + count, 0) - findings.length
  return [
    headline(verification),
    ...verification.erased.map(
      ({ userId, eventId, values }) => `erased  ${userId}: ${values} values are gone, as the event ${eventId} says.`,
    ),
    ...opened.map(({ origin, follows, at, reason }) => `opened  ${origin} after ${follows}, ${at}: ${reason}`),
    ...accepted.map(({ what, detail }) => `accepted  ${what}: ${detail}`),
    ...findings.map(({ kind, what, detail }) => `${kind}  ${what}: ${detail}`),
    ...(more > 0 ? [`… and ${more} more of these kinds.`] : []),
  ]
    .map((line) => `${printable(line)}\n`)
    .join('')
}

function headline({ verdict, origin, size, root, events, pending, accepted }: Verification): string {
  if (origin === null) return `${verdict}: the export can not be read as a whole.`
  const waiting = pending === 0 ? '' : ` ${pending} ${pending === 1 ? 'event is' : 'events are'} not sealed yet.`
  const log = `${origin} has ${size} entries and the root ${root}. ${events} events were read.${waiting}`
  if (verdict === 'sound')
    return accepted.length === 0 ? `sound: ${log}` : `sound, but for losses that you accept: ${log}`
  return verdict === 'tampered'
    ? `tampered: something contradicts what was signed or kept, or itself. ${log}`
    : `incomplete: nothing contradicts, but not all could be verified. ${log}`
}
