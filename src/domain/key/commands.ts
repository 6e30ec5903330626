// What can be asked of a key and its codes. `now`, ids, digests and looked-up facts come with the command.
import type { PolicyGrant } from '../grant.ts'
import type { Instant } from '../instant.ts'
import type { KeyspaceRules } from '../keyspace/rules.ts'
import type { CodeSlot, KeyDetails, RevocationReason } from './events.ts'

/** A code that is asked for: its secret is minted already, its slot and expiry are to be decided. */
export type CodeRequest = {
  readonly codeId: string
  /** Absent: the first free slot, PRIMARY first. */
  readonly slot?: CodeSlot | undefined
  readonly description: string | null
  /** Absent: the default lifetime. Null: unlimited. */
  readonly expiresAt?: Instant | null | undefined
  readonly hint: string
  readonly digest: string
  readonly secretId: string
  /** Absent: generated. */
  readonly ownSecret?: OwnSecret | undefined
}

/** What is known of a secret that the caller brought. */
export type OwnSecret = {
  readonly strong: boolean
  /** Some code of the keyspace has or had it; looked up under the keyspace's lock, taken for itself. */
  readonly taken: boolean
}

type Timed = { readonly now: Instant; readonly rules: KeyspaceRules }

export type CreateKey = Timed & {
  readonly type: 'CreateKey'
  readonly keyspaceId: string
  /** `actsAsId` undefined: whoever the rules of the keyspace say. */
  readonly details: Omit<KeyDetails, 'actsAsId'> & { readonly actsAsId: string | null | undefined }
  /** What the policies of the details are now, in their order. */
  readonly policies: readonly PolicyGrant[]
  readonly enabled: boolean
  readonly isDefault: boolean
  readonly codes: readonly CodeRequest[]
  /** Active keys in the keyspace at `now`, counted under its lock; 0 where there is no limit. */
  readonly activeKeyCount: number
}
export type UpdateKey = Timed & {
  readonly type: 'UpdateKey'
  readonly details: { readonly [Field in keyof KeyDetails]?: KeyDetails[Field] | undefined }
  /** Without this key where it is not active. */
  readonly activeKeyCount: number
}
export type FreezeKey = {
  readonly type: 'FreezeKey'
  readonly rules: KeyspaceRules
  /** What its policies are now, in their order and in as many parts as it takes events to hold them; at least one. */
  readonly policies: readonly (readonly PolicyGrant[])[]
}
export type EnableKey = { readonly type: 'EnableKey' }
export type DisableKey = { readonly type: 'DisableKey' }
export type RevokeKey = { readonly type: 'RevokeKey'; readonly reason: RevocationReason; readonly note: string | null }
export type DeleteKey = { readonly type: 'DeleteKey'; readonly reason: RevocationReason; readonly note: string | null }
export type IssueCode = Timed & { readonly type: 'IssueCode'; readonly code: CodeRequest }
export type UpdateCode = {
  readonly type: 'UpdateCode'
  readonly codeId: string
  readonly description?: string | null | undefined
}
export type EnableCode = { readonly type: 'EnableCode'; readonly codeId: string; readonly now: Instant }
export type DisableCode = { readonly type: 'DisableCode'; readonly codeId: string; readonly now: Instant }
export type DeleteCode = Timed & { readonly type: 'DeleteCode'; readonly codeId: string }
export type RevealCode = Timed & {
  readonly type: 'RevealCode'
  readonly codeId: string
  /** The vault has its secret. */
  readonly sealed: boolean
}
export type RotateKey = Timed & {
  readonly type: 'RotateKey'
  readonly rotationId: string
  readonly slot: CodeSlot
  readonly code: CodeRequest
  readonly overlapSeconds: number
}

export type KeyCommand =
  | CreateKey
  | UpdateKey
  | FreezeKey
  | EnableKey
  | DisableKey
  | RevokeKey
  | DeleteKey
  | IssueCode
  | UpdateCode
  | EnableCode
  | DisableCode
  | DeleteCode
  | RevealCode
  | RotateKey
