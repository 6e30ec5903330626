// What can be asked of a policy. Looked-up facts come with the command.
import type { PolicyDetails } from './events.ts'

export type CreatePolicy = {
  readonly type: 'CreatePolicy'
  readonly details: PolicyDetails
  /** Another policy of the account bears the name. */
  readonly nameTaken: boolean
}
export type UpdatePolicy = {
  readonly type: 'UpdatePolicy'
  readonly details: { readonly [Field in keyof PolicyDetails]?: PolicyDetails[Field] | undefined }
  readonly nameTaken: boolean
}
export type DeletePolicy = {
  readonly type: 'DeletePolicy'
  /** Something holds it that would grant less without it. */
  readonly inUse: boolean
}

export type PolicyCommand = CreatePolicy | UpdatePolicy | DeletePolicy
