// What an answer to bad input may be: an error that names what is bad, or a member of the result's union. Nothing else.
import { kindOf } from '#domain/ids.ts'
import type { ClientError, Executed } from '#test/support/app.ts'

/** The way to a value in the variables: `input`, `codes`, `0`, `slot`. */
export type Path = readonly string[]
export type Corrupted = { readonly path: Path; readonly value: unknown }

type Issue = { readonly path: Path; readonly message: string }
export type Result = {
  readonly __typename: string
  readonly code?: string
  readonly message?: string
  readonly issues?: readonly Issue[]
  readonly subjectId?: string | null
  readonly events?: readonly { readonly id: string }[]
}

/** What is wrong with an answer; undefined where nothing is. */
export function faultOf(answer: Executed<unknown>, corrupted: readonly Corrupted[]): string | undefined {
  if (answer.status >= 500) return `status ${answer.status}`
  const [first, ...others] = answer.errors.map((error) => faultOfError(error, corrupted))
  return first ?? others.find((fault) => fault !== undefined && !fault.endsWith(CUT_SHORT))
}

/** What GraphQL says after the first fifty. */
const CUT_SHORT = 'error limit reached. Execution aborted.'

function faultOfError({ message, extensions }: ClientError, corrupted: readonly Corrupted[]): string | undefined {
  if (extensions?.code === 'BAD_REQUEST')
    return corrupted.some(({ path }) => isNamedIn(message, path))
      ? undefined
      : `it names nothing that is bad: ${message}`
  if (extensions?.code === 'INVALID_INPUT') return faultOfIssues(extensions.issues as readonly Issue[], corrupted, [])
  // Of a subscription, which has no other way to say it.
  if (extensions?.code === 'NOT_FOUND' && corrupted.some(({ path }) => path.join() === 'accountId')) return undefined
  return `${extensions?.code}: ${message}`
}

/** As GraphQL writes it: `Variable "$input" got invalid value 5 at "input.codes[0].slot"; …`. */
function isNamedIn(message: string, path: Path): boolean {
  const written = path
    .map((step, index) => (index === 0 ? step : /^\d+$/.test(step) ? `[${step}]` : `.${step}`))
    .join('')
  return path.length === 1 ? message.includes(`"$${written}"`) : message.includes(` at "${written}`)
}

/** `prefix`: what leads from the variables to where the issues' paths begin. */
function faultOfIssues(issues: readonly Issue[], corrupted: readonly Corrupted[], prefix: Path): string | undefined {
  if (issues.length === 0) return 'it has no issues'
  const stray = issues.find(({ path }) => !corrupted.some((bad) => leadTheSameWay([...prefix, ...path], bad.path)))
  return stray === undefined ? undefined : `it names what is not bad: ${stray.path.join('.')} ${stray.message}`
}

/** Whether they are the same place, or one lies within the other. */
export function leadTheSameWay(a: Path, b: Path): boolean {
  return a.slice(0, b.length).every((step, index) => step === b[index])
}

/** The same for the result of a mutation. `mustRefuse`: something in its input can't be stored. */
export function faultOfResult(
  result: Result,
  corrupted: readonly Corrupted[],
  mustRefuse: boolean,
): string | undefined {
  const { __typename, code, message, issues = [], subjectId } = result
  if (__typename === 'InvalidInputError') return faultOfIssues(issues, corrupted, ['input'])
  if (mustRefuse) return `it should be refused as invalid input: ${JSON.stringify(result).slice(0, 300)}`
  if (__typename.endsWith('Success') || __typename === 'DryRun') return undefined
  if (code === undefined || !message) return `it does not say why: ${__typename}`
  if (__typename === 'NotFoundError')
    // Beside the id of something that exists elsewhere, what is right otherwise is somebody else's.
    return corrupted.some(
      ({ value }) => String(value).toWellFormed() === subjectId || kindOf(String(value)) !== undefined,
    )
      ? undefined
      : `what is not found is ${subjectId}`
  return ['ConflictError', 'RuleViolationError'].includes(__typename) ? undefined : `it is a ${__typename}`
}
