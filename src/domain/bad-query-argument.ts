// A query asked in a way that has no answer: unlike a mutation's refusal it is thrown, as a query has no place for one.

export class BadQueryArgumentError extends Error {
  override readonly name = 'BadQueryArgumentError'
  /** `path` leads to the wrong argument. */
  readonly issues: readonly { readonly path: readonly string[]; readonly message: string }[]

  constructor(issues: BadQueryArgumentError['issues']) {
    super('An argument of the query is wrong.')
    this.issues = issues
  }
}
