// What the commands of a server share: options, the configuration, and how a fault is told.
import { type ParseArgsConfig, parseArgs } from 'node:util'
import { type Config, readConfig } from '#config.ts'
import { EmbeddedUnavailableError, FolderInUseError, ServerFailedError } from '#database/embedded/errors.ts'
import { InstallationError } from '#database/open.ts'
import { complain, EXIT_PROBLEM, EXIT_USAGE } from './exit.ts'

type Options = NonNullable<ParseArgsConfig['options']>
export type OptionValues = Readonly<Record<string, string | boolean | undefined>>

/** Runs a command whose arguments are these options only, with the configuration. Resolves with the exit code. */
export async function withConfig(
  args: readonly string[],
  options: Options,
  run: (config: Config, values: OptionValues) => Promise<number>,
): Promise<number> {
  const values = readOptions(args, options)
  if (values === undefined) return EXIT_USAGE
  const read = readConfig()
  if (!read.ok) {
    complain(['The configuration has problems:', ...read.problems.map((problem) => `- ${problem}`)].join('\n'))
    return EXIT_USAGE
  }
  try {
    return await run(read.config, values)
  } catch (error) {
    complain(explain(error))
    return EXIT_PROBLEM
  }
}

function readOptions(args: readonly string[], options: Options): OptionValues | undefined {
  try {
    return parseArgs({ args: [...args], options, strict: true, allowPositionals: false }).values as OptionValues
  } catch (error) {
    complain(`${error instanceof Error ? error.message : String(error)}\nSee \`keyledger help\`.`)
    return undefined
  }
}

const FOR_OPERATORS = [InstallationError, EmbeddedUnavailableError, FolderInUseError, ServerFailedError]

/** What an operator can act on is a sentence; anything else is a defect, told with the place it comes from. */
function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if ('code' in error && error.code === 'EADDRINUSE')
    return 'Another process listens on that address already. Stop it, or set PORT (or HOST) to another one.'
  return FOR_OPERATORS.some((kind) => error instanceof kind) ? error.message : (error.stack ?? error.message)
}
