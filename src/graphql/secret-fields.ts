// Which operations hold a secret of a client in their arguments, so that HTTP can keep them out of URLs, which are logged
// and kept in histories.
import { type DocumentNode, visit } from 'graphql'

/** The fields of Query that are given a secret. */
export const SECRET_FIELDS: ReadonlySet<string> = new Set(['verifyKey', 'verifyKeys', 'explainVerification'])

/** Whether any operation of the document selects such a field, whichever is to run: a URL holds the whole document. */
export function carriesSecrets(document: DocumentNode): boolean {
  let carries = false
  visit(document, {
    Field(field) {
      carries ||= SECRET_FIELDS.has(field.name.value)
    },
  })
  return carries
}
