// What can be asked of a link. Looked-up facts come with the command.
import type { LinkDetails } from './events.ts'

export type LinkKey = {
  readonly type: 'LinkKey'
  readonly details: LinkDetails
  /** The key belongs to the account that would link it. */
  readonly ownKey: boolean
  /** The account has a link of the key already, into whichever of its keyspaces. */
  readonly alreadyLinked: boolean
}
export type UpdateLink = { readonly type: 'UpdateLink'; readonly policyIds: readonly string[] }
export type UnlinkKey = { readonly type: 'UnlinkKey' }

export type LinkCommand = LinkKey | UpdateLink | UnlinkKey
