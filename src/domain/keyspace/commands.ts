// What can be asked of a keyspace. Looked-up facts come with the command.
import type { KeyspaceRules } from './rules.ts'

export type CreateKeyspace = {
  readonly type: 'CreateKeyspace'
  readonly name: string
  readonly management: boolean
  readonly rules: KeyspaceRules
  /** Another keyspace of the account bears the name. */
  readonly nameTaken: boolean
}
export type UpdateKeyspace = {
  readonly type: 'UpdateKeyspace'
  readonly name?: string | undefined
  readonly rules?: Partial<KeyspaceRules> | undefined
  readonly nameTaken: boolean
  /** The caller holds `*`, which changing a management keyspace takes. */
  readonly callerHoldsAll: boolean
}
export type DeleteKeyspace = {
  readonly type: 'DeleteKeyspace'
  /** There is a key in it that is not deleted, or a link into it. */
  readonly inhabited: boolean
}

export type KeyspaceCommand = CreateKeyspace | UpdateKeyspace | DeleteKeyspace
