// What a verifier keeps from one time to the next: whom it trusts, and how far each log was. With it every verification is also one
// that nothing before it was rewritten.
import { randomBytes } from 'node:crypto'
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { parseHash } from '../note/checkpoint.ts'
import { parseVkey, type Verifier } from '../note/signing-key.ts'
import type { Known } from './known.ts'
import { countOf, parseJson } from './reading.ts'
import type { AcceptedLoss } from './verify.ts'

export type StateFile = {
  readonly keys: readonly Verifier[]
  readonly logs: readonly Known[]
  readonly accepted: readonly AcceptedLoss[]
}

const FORMAT = 'keyledger-audit-state'
const VERSION = 1

/** Undefined where there is none. Throws for a file that is something else: it must not be overwritten. */
export function readStateFile(path: string): StateFile | undefined {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
  const parsed = parse(path, text)
  if (parsed === undefined) throw new Error(`${path} is not a state of \`audit verify\`. Name another one by --state.`)
  return parsed
}

function parse(path: string, text: string): StateFile | undefined {
  try {
    const { format, version, keys, logs, accepted = [] } = parseJson(text) as Record<string, unknown>
    if (format !== FORMAT || version !== VERSION || !Array.isArray(keys) || !Array.isArray(logs)) return undefined
    if (!Array.isArray(accepted) || !keys.every((key) => typeof key === 'string')) return undefined
    const verifiers = keys.map(parseVkey).filter((key) => key !== undefined)
    const known = logs.map((row: Record<string, unknown>) => logOf(path, row)).filter((log) => log !== undefined)
    const losses = accepted.map(acceptedLoss).filter((loss) => loss !== undefined)
    const isWhole =
      verifiers.length === keys.length && known.length === logs.length && losses.length === accepted.length
    const seenWith = new Set(known.map(({ origin }) => origin))
    return isWhole ? { keys: verifiers, logs: known.map((log) => ({ ...log, seenWith })), accepted: losses } : undefined
  } catch {
    return undefined
  }
}

function logOf(path: string, { origin, size, root }: Record<string, unknown>): Known | undefined {
  const [count, hash] = [countOf(size), parseHash(typeof root === 'string' ? root : '')]
  return typeof origin !== 'string' || count === undefined || hash === undefined
    ? undefined
    : { what: path, origin, size: count, root: hash }
}

function acceptedLoss({ log, lost }: Record<string, unknown>): AcceptedLoss | undefined {
  return typeof log === 'string' && typeof lost === 'string' ? { log, lost } : undefined
}

export function writeStateFile(path: string, { keys, logs, accepted }: StateFile): void {
  const state = {
    format: FORMAT,
    version: VERSION,
    keys: keys.map(({ vkey }) => vkey),
    logs: logs.map(({ origin, size, root }) => ({ origin, size, root: root.toString('base64') })),
    accepted,
  }
  // Nobody can have put a link there before: `wx` follows none, and the name can't be known.
  const temporary = `${path}.${randomBytes(8).toString('hex')}.tmp`
  try {
    writeFileSync(temporary, `${JSON.stringify(state, null, 2)}\n`, { flag: 'wx' })
    renameSync(temporary, path)
  } catch (error) {
    rmSync(temporary, { force: true })
    throw error
  }
}
