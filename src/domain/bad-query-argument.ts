// A query asked in a way that can't be answered: no "not found", and not a defect of ours. Thrown, as it cuts the request off;
// the API shows it as INVALID_INPUT with its issues.

/** `path` leads to the argument, from the field's arguments on: `['filter', 'name']`. */
export type ArgumentIssue = { readonly path: readonly string[]; readonly message: string }

export class BadQueryArgumentError extends Error {
  override readonly name = 'BadQueryArgumentError'
  readonly issues: readonly ArgumentIssue[]

  constructor(issues: readonly ArgumentIssue[]) {
    super(issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; '))
    this.issues = issues
  }
}
