// What the benchmarks can be told on the command line.
import { parseArgs } from 'node:util'

export type Options = {
  /** How many keys there are before anything is measured; one run for each. */
  readonly keys: readonly number[]
  /** How long a history is. Undefined: the benchmark's own choice, as are `rounds` and `seconds`. */
  readonly events: number | undefined
  readonly rounds: number | undefined
  /** How long each load is kept up within a round. */
  readonly seconds: number | undefined
  /** A run of some 20 seconds that shows that the benchmark works; its ratios are rough. */
  readonly quick: boolean
  /** Without what is installed from a registry to compare with. */
  readonly alone: boolean
}

const KEYS = '10000,1000000'
const QUICK_KEYS = '10000'

export function parseOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      keys: { type: 'string' },
      events: { type: 'string' },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      quick: { type: 'boolean', default: false },
      alone: { type: 'boolean', default: false },
    },
  })
  const keys = (values.keys ?? (values.quick ? QUICK_KEYS : KEYS)).split(',')
  return {
    keys: keys.map((text) => positive('keys', text)),
    events: values.events === undefined ? undefined : positive('events', values.events),
    rounds: values.rounds === undefined ? undefined : positive('rounds', values.rounds),
    seconds: values.seconds === undefined ? undefined : positive('seconds', values.seconds),
    quick: values.quick,
    alone: values.alone,
  }
}

function positive(name: string, text: string): number {
  const value = Number(text)
  if (!Number.isFinite(value) || value <= 0) throw new Error(`--${name} takes numbers above 0, not ${text}`)
  return value
}
