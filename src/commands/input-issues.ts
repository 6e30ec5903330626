// What is wrong with an input, as clients are told it.
import type { z } from 'zod'
import type { InputIssue } from './refusal.ts'

export function issuesOf(error: z.ZodError): readonly InputIssue[] {
  return error.issues.map((issue) => ({ path: issue.path.map(String), message: issue.message }))
}
