// The command line: finds the command and exits with its code. Commands are loaded when they are called, so that one that is
// quick stays quick.
import { complain, EXIT_OK, EXIT_USAGE } from './exit.ts'

type Command = {
  readonly name: string
  readonly meaning: string
  readonly load: () => Promise<(args: readonly string[]) => Promise<number>>
}

const COMMANDS: readonly Command[] = [
  {
    name: 'start',
    meaning: 'serve the API until told to stop',
    load: async () => (await import('./start.ts')).start,
  },
  {
    name: 'migrate',
    meaning: 'bring the database to the schema of this version',
    load: async () => (await import('./migrate.ts')).migrate,
  },
  {
    name: 'root-key --new',
    meaning: 'replace the root key and print the new one',
    load: async () => (await import('./root-key.ts')).rootKey,
  },
  {
    name: 'rebuild [--check]',
    meaning: 'make state anew from the log, or compare it with the log',
    load: async () => (await import('./rebuild.ts')).rebuild,
  },
  {
    name: 'rotate-secrets',
    meaning: 'make seals anew under the newest secret, and say what needs the older ones',
    load: async () => (await import('./rotate-secrets.ts')).rotateSecrets,
  },
  {
    name: 'move --to <URL>',
    meaning: 'copy an embedded installation to a PostgreSQL server',
    load: async () => (await import('./move.ts')).move,
  },
  {
    name: 'audit export --out <folder>',
    meaning: 'write all that an auditor needs to check history into a folder',
    load: async () => (await import('./audit-export.ts')).auditExport,
  },
  {
    name: 'audit new-log --reason <why>',
    meaning: 'begin another audit log where the former can not go on, and say what is missing',
    load: async () => (await import('./audit-new-log.ts')).auditNewLog,
  },
  {
    name: 'audit verify <folder>',
    meaning: 'verify an export of the audit log: needs neither server nor database',
    load: async () => (await import('./audit-verify.ts')).auditVerify,
  },
  { name: 'help', meaning: 'print this', load: async () => help },
]

async function help(): Promise<number> {
  const { helpText } = await import('./help.ts')
  process.stdout.write(helpText(COMMANDS))
  return EXIT_OK
}

async function run(given: readonly string[]): Promise<number> {
  const [name] = given
  const hasOwnHelp = name === 'audit' && given[1] === 'verify'
  if (name === '--help' || name === '-h' || (given.includes('--help') && !hasOwnHelp)) return help()
  for (const command of COMMANDS) {
    const words = wordsOf(command)
    if (words.every((word, at) => word === given[at])) return (await command.load())(given.slice(words.length))
  }
  const names = COMMANDS.map((known) => `\`${known.name}\``).join(', ')
  // Of what stands behind it no more than a word: it may be a URL with a password.
  const called = given.slice(0, 2).filter((word) => /^[a-z-]{1,20}$/.test(word))
  const problem = name === undefined ? 'Which command?' : `There is no command \`${called.join(' ')}\`.`
  complain(`${problem} There is ${names}.`)
  return EXIT_USAGE
}

/** `audit`, `new-log` of `audit new-log --reason <why>`. */
function wordsOf({ name }: Command): readonly string[] {
  return name.split(' ').filter((word) => /^[a-z]/.test(word))
}

// Exits by itself: whatever is still open (a connection that a client keeps) must not hold a process that is done.
process.exit(await run(process.argv.slice(2)))
