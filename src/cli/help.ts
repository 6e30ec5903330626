// `keyledger help`: the commands and every variable of the configuration.
import { CONFIG_VARIABLES } from '#config-variables.ts'

export type Described = { readonly name: string; readonly meaning: string }

export function helpText(commands: readonly Described[]): string {
  const width = Math.max(...commands.map(({ name }) => name.length))
  return [
    'Usage: keyledger <command>',
    '',
    ...commands.map(({ name, meaning }) => `  ${name.padEnd(width)}  ${meaning}`),
    '',
    'Configuration, by environment variables:',
    '',
    ...CONFIG_VARIABLES.flatMap((variable) => [
      `  ${variable.name}`,
      `      ${variable.meaning}`,
      `      accepted: ${variable.accepted}`,
      `      default: ${variable.default ?? 'none'}`,
    ]),
    '',
  ].join('\n')
}
