// How tests ask why a key was let in or was not, with things that happen in between at instants of their own.
import { expect } from 'vitest'
import { ExplainVerificationDocument, type ExplainVerificationInput } from '#test/generated/operations.ts'
import type { TestApp } from './app.ts'

type Document = { __typename: string; code?: string }

type Remedies = readonly { readonly steps: readonly { readonly operation: string | null }[] }[]

/** Operations of each remedy; one of a single step as that step. */
export function inShort(remedies: Remedies) {
  return remedies.map(({ steps }) =>
    steps.length === 1 ? steps[0]?.operation : steps.map(({ operation }) => operation),
  )
}

export function plus(instant: string, ms: number): string {
  return new Date(Date.parse(instant) + ms).toISOString()
}

/** `reviewer`: the credential that asks, where none is given. */
export function explaining(app: TestApp, reviewer: () => string) {
  async function explain(input: ExplainVerificationInput, credential = reviewer()) {
    const { explainVerification } = await app.ask(ExplainVerificationDocument, { input }, { credential })
    return { ...explainVerification, decidedBy: explainVerification.decidedBy ?? [] }
  }
  return {
    explain,
    /** Done a second after what was done before, and answers the instant at which. */
    async later(mutation: string, input: object): Promise<string> {
      app.clock.advance(1_000)
      const type = `${mutation.charAt(0).toUpperCase()}${mutation.slice(1)}`
      const document = `mutation ($input: ${type}Input!) { ${mutation}(input: $input) { __typename ... on Error { code message } } }`
      const answer = await app.ask<Record<string, Document>, object>(document, { input })
      expect(answer).toEqual({ [mutation]: { __typename: `${type}Success` } })
      return app.clock.now()
    },
    async codeOf(input: ExplainVerificationInput, credential?: string): Promise<string> {
      return (await explain(input, credential)).verdict.code
    },
    /** The verdict, the events that decided it, and what would help. */
    async why(input: ExplainVerificationInput, credential?: string) {
      const { verdict, decidedBy, remedies } = await explain(input, credential)
      return [verdict.code, decidedBy.map(({ type }) => type), inShort(remedies)]
    },
  }
}
