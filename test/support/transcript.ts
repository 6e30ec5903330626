// Pages whose commands are run as they are printed. What a command answers stands below it, after `#>`; what is different each
// time stands there as `<name>`, and means the same wherever it stands on the page: `<key>`, `<first secret>`.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { expect } from 'vitest'

export type Step = { readonly script: string; readonly answers: readonly string[] }

/** What the blocks of `sh` of a page hold. */
export function blocksOf(page: string): readonly string[] {
  return [...page.matchAll(/```sh\n([\s\S]*?)```/g)].map((match) => match[1] ?? '')
}

/** Commands up to the next answers, each time. */
export function stepsOf(block: string): readonly Step[] {
  const parts = block.match(/(?:(?!#>).*\n)+(?:#> .*\n)*/g) ?? []
  return parts.map((part) => {
    const lines = part.split('\n').filter((line) => line !== '')
    const answers = lines.filter((line) => line.startsWith('#> ')).map((line) => line.slice(3))
    return { script: lines.filter((line) => !line.startsWith('#> ')).join('\n'), answers }
  })
}

const ID = '[0-9A-Za-z]{22}'
const SHORT_ID = '\\w+_[0-9A-Za-z]{10}'

/** By the last word of the name. */
const SHAPES: Readonly<Record<string, string>> = {
  account: `acct_${ID}`,
  keyspace: `ks_${ID}`,
  policy: `pol_${ID}`,
  user: `usr_${ID}`,
  link: `lnk_${ID}`,
  key: `key_${ID}`,
  code: `code_${ID}`,
  hint: SHORT_ID,
  secret: `${SHORT_ID}_[0-9A-Za-z]{38}`,
  shard: '\\d{1,2}',
  root: '[A-Za-z0-9+/]{43}=',
  hash: '[A-Za-z0-9+/]{43}=',
  size: '\\d{1,9}',
  count: '\\d{1,9}',
  instant: '\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z',
}
const PLACEHOLDER = new RegExp(`<((?:[a-z]+ )*(?:${Object.keys(SHAPES).join('|')}))>`, 'g')

/** Runs the steps one by one in the same shell, each with the values that earlier answers have brought, and adds its own. */
export async function replay(shell: Shell, steps: readonly Step[], values: Map<string, string>): Promise<void> {
  for (const { script, answers } of steps) {
    const answered = await shell.run(withValues(script, values))
    for (const [index, answer] of answers.entries()) learn(values, withValues(answer, values), answered[index] ?? '')
    expect(answered).toEqual(answers.map((answer) => withValues(answer, values)))
  }
}

function withValues(text: string, values: ReadonlyMap<string, string>): string {
  return text.replaceAll(PLACEHOLDER, (placeholder, name) => values.get(name) ?? placeholder)
}

/** What the placeholders stand for, where the line is one that the answer describes. */
function learn(values: Map<string, string>, answer: string, line: string): void {
  const parts = answer.split(PLACEHOLDER)
  const isName = (index: number) => index % 2 === 1
  const pattern = parts.map((part, index) => (isName(index) ? `(${shapeOf(part)})` : literally(part)))
  const found = new RegExp(`^${pattern.join('')}$`).exec(line)?.slice(1) ?? []
  const names = parts.filter((_, index) => isName(index))
  for (const [index, value] of found.entries()) values.set(names[index] ?? '', value)
}

function shapeOf(name: string): string {
  return SHAPES[name.split(' ').at(-1) ?? ''] ?? ''
}

function literally(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, String.raw`\$&`)
}

export type Shell = {
  /** What it prints, without empty lines. Rejects where a command fails. */
  run(script: string): Promise<readonly string[]>
  close(): Promise<void>
}

const DONE = 'that was all of it'

export function startShell(variables: Readonly<Record<string, string>>): Shell {
  const child = spawn('/bin/sh', ['-eu'], {
    env: { PATH: process.env.PATH, ...variables },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const ended = once(child, 'close')
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  return {
    async run(script) {
      child.stdin.write(`${script}\necho '${DONE}'\n`)
      const printed: string[] = []
      for (;;) {
        const { value, done } = await lines.next()
        if (done === true) throw new Error(`the shell ended at:\n${script}\n${printed.join('\n')}`)
        if (value === DONE) return printed
        if (value !== '') printed.push(value)
      }
    },
    async close() {
      child.stdin.end()
      await ended
    },
  }
}
