// What every filter's values are checked for before they come near a statement.
import type { ArgumentIssue } from '#domain/bad-query-argument.ts'
import { isInstant, isText } from './cursor.ts'

/** In UTF-16 code units. Longer than any name, tag, type or secret that is stored or presented. */
const TEXT_LENGTH_MAX = 512

type Given<T> = T | null | undefined

export function textIssues(name: string, value: Given<string>): readonly ArgumentIssue[] {
  const fault = value == null ? undefined : faultOf(value)
  return fault === undefined ? [] : [{ path: ['filter', name], message: fault }]
}

export function textsIssues(
  name: string,
  values: Given<readonly string[]>,
  max: number,
  within: readonly string[] = ['filter'],
): readonly ArgumentIssue[] {
  if (values == null) return []
  if (values.length > max) return [{ path: [...within, name], message: `must be at most ${max}` }]
  return values.flatMap((value, index) => {
    const fault = faultOf(value)
    return fault === undefined ? [] : [{ path: [...within, name, String(index)], message: fault }]
  })
}

export function instantIssues(name: string, value: Given<string>): readonly ArgumentIssue[] {
  if (value == null || isInstant(value)) return []
  return [{ path: ['filter', name], message: 'must be an instant in RFC 3339, in UTC' }]
}

function faultOf(text: string): string | undefined {
  if (text.length > TEXT_LENGTH_MAX) return `must be at most ${TEXT_LENGTH_MAX} characters`
  return isText(text) ? undefined : 'must not contain NUL'
}
