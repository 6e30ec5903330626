// What a newcomer is told at start: where to look, the root key once, and one command that creates the first key as it is
// pasted, for which an account and a keyspace must be there already.
import type { CommandServices } from '#commands/command.ts'
import { createAccount } from '#commands/create-account.ts'
import { createKeyspace } from '#commands/create-keyspace.ts'
import { runCommand } from '#commands/run-command.ts'
import type { Config } from '#config.ts'
import type { Secret } from '#secret/secret.ts'
import { makeFirstRootKey, replaceRootKey } from './stored-root-key.ts'

const NAME = 'default'

/**
 * Puts the root key in force and says that the server is ready. Only when the port is ours: a start that fails must not take the
 * root key from a server that runs, and one made for it would have been shown to nobody. It goes to stdout as soon as it is in
 * force, and never through the log.
 */
export async function greet(config: Config, services: CommandServices, port: number): Promise<void> {
  if (config.rootKey !== null) await replaceRootKey(services, config.rootKey)
  const origin = originOf(config.host, port)
  const made = config.rootKey === null ? await makeFirstRootKey(services) : undefined
  say(`Keyledger is ready: ${origin}/graphql${config.graphiql ? ' (GraphiQL in a browser)' : ''}\n\n`)
  if (made !== undefined) say(rootKeyText(made))
  // Who has set up both a server and a root key knows what accounts they want.
  if (config.database.kind !== 'embedded' && made === undefined) return
  const keyspaceId = await makeDefaultKeyspace(services)
  if (keyspaceId !== undefined && (made !== undefined || config.rootKey !== null))
    say(firstKeyText(origin, keyspaceId, made ?? null))
}

function say(text: string): void {
  process.stdout.write(text)
}

/**
 * Where there is no account at all: an account `default` with a keyspace `default`, made by the ordinary commands, and the
 * keyspace's id. Undefined where there is one.
 */
async function makeDefaultKeyspace(services: CommandServices): Promise<string | undefined> {
  const accounts = await services.database.kysely.selectFrom('state.account').select('account_id').limit(1).execute()
  if (accounts.length > 0) return undefined
  const origin = { caller: { kind: 'ROOT' }, correlationId: 'first-start' } as const
  const account = await runCommand(services, origin, createAccount, { name: NAME })
  if (account.kind === 'refused') return undefined
  const { accountId } = account.result
  const keyspace = await runCommand(services, origin, createKeyspace, { accountId, name: NAME })
  return keyspace.kind === 'done' ? keyspace.result.keyspaceId : undefined
}

/** `http://host:port`, as it is reached from this machine. */
function originOf(host: string, port: number): string {
  const reachable = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host
  return `http://${reachable.includes(':') ? `[${reachable}]` : reachable}:${port}`
}

function rootKeyText(rootKey: Secret): string {
  return [
    'Root key, shown this once (`keyledger root-key --new` replaces it):',
    '',
    `  ${rootKey.reveal()}`,
    '',
    '',
  ].join('\n')
}

/** `rootKey` is null where it was configured: what is configured is never printed, the shell puts it in. */
function firstKeyText(origin: string, keyspaceId: string, rootKey: Secret | null): string {
  return ['Create a key by pasting this:', '', `  ${createKeyCommand(origin, keyspaceId, rootKey)}`, '', ''].join('\n')
}

/** One line for any POSIX shell. Ids and generated keys hold nothing that a shell or JSON would read in another way. */
function createKeyCommand(origin: string, keyspaceId: string, rootKey: Secret | null): string {
  const query =
    `mutation { createKey(input: { keyspaceId: "${keyspaceId}", name: "My first key" }) ` +
    '{ ... on CreateKeySuccess { key { id } issued { secret } } ... on Error { code message } } }'
  return [
    `curl -sS ${origin}/graphql`,
    "-H 'Content-Type: application/json'",
    `-H "Authorization: Bearer ${rootKey === null ? '$KEYLEDGER_ROOT_KEY' : rootKey.reveal()}"`,
    `-d '${JSON.stringify({ query })}'`,
  ].join(' ')
}
