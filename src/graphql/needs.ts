// What a caller must hold to read a field or run a mutation: asked by the access plugin before a field is resolved, and by
// resolvers where the right depends on what an id names.
import { GraphQLError } from 'graphql'
import { type Caller, mayDo } from '#domain/caller.ts'
import type { ManagementPermission } from '#domain/permission.ts'

/** `caller`: any credential. `root`: the root key. */
export type Right = ManagementPermission | 'caller' | 'root'

/** `parent`: part of a thing that whoever got here may read already. */
export type Need = Right | 'parent'

/** The caller, who holds the right. Throws UNAUTHENTICATED where there is none, FORBIDDEN where the right is lacking. */
export function demand(caller: Caller | undefined, right: Right): Caller {
  if (caller === undefined) {
    throw new GraphQLError(
      'Valid credentials are required: send the header `Authorization: Bearer <key>`, or `Bearer <token>` of an identity ' +
        'provider and the header `X-Keyledger-Account: <id>`.',
      { extensions: { code: 'UNAUTHENTICATED' } },
    )
  }
  if (!holds(caller, right)) {
    const lacking = right === 'root' ? 'the root key' : `the permission ${right}, which these credentials do not have`
    throw new GraphQLError(`This needs ${lacking}.`, { extensions: { code: 'FORBIDDEN' } })
  }
  return caller
}

export function holds(caller: Caller, right: Right): boolean {
  if (right === 'caller') return true
  return right === 'root' ? caller.kind === 'ROOT' : mayDo(caller, right)
}
