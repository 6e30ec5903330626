// The rules of a keyspace: what makes it behave like one system or another. No code knows a vendor's name.
import { DEFAULT_PRESENTATIONS, type Presentation } from './presentation.ts'

/** REVEALABLE: secrets are kept sealed for as long as their codes are not retired, and can be shown again. */
export type SecretDisplay = 'ONCE' | 'REVEALABLE'
export type AuthorizationsRule = 'EDITABLE' | 'FROZEN'
export type CodeDeletionRule = 'ALWAYS' | 'WHEN_DISABLED'
/** OWNERS: users of the role MEMBER see and manage the keys that they own. */
export type KeyManagers = 'ADMINISTRATORS' | 'OWNERS'

export type KeyspaceRules = {
  /** Leads every generated secret. */
  readonly prefix: string
  /** Most keys that may be active at once; null for no limit. */
  readonly activeKeysMax: number | null
  /** Most codes of one key that may be live at once, 1 or 2; with 1 there is only the slot PRIMARY. */
  readonly liveCodesMax: number
  /** Codes issued together with a key, 0 to liveCodesMax. */
  readonly codesAtCreation: number
  /** Lifetime of a code for which none is asked; null: the longest that is allowed. */
  readonly codeLifetimeDays: number | null
  /** Longest lifetime that may be asked for; null for unlimited. */
  readonly codeLifetimeDaysMax: number | null
  /** Whoever issues or rotates must say when the code expires, if only null for never. */
  readonly expiryRequired: boolean
  readonly secretDisplay: SecretDisplay
  /** Whoever issues or rotates may bring a secret of their own. */
  readonly customSecrets: boolean
  /** Whether what a key grants may be changed, or stays for good as it was when the key was created or the rule given to its keyspace. */
  readonly authorizations: AuthorizationsRule
  /** Every key holds at least one policy. */
  readonly policyRequired: boolean
  readonly codeDeletion: CodeDeletionRule
  /** Every user of the account has one default key here, replaced as soon as it is revoked. */
  readonly defaultKeys: boolean
  /** What default keys made from now on are called. */
  readonly defaultKeyName: string
  /** Under OWNERS a key acts as its owner unless told otherwise. */
  readonly managedBy: KeyManagers
  /** A key opens nothing unless whoever guards the service has authenticated a user as well. */
  readonly upstreamUserRequired: boolean
  /** Where whoever guards the service looks for keys. */
  readonly presentations: readonly Presentation[]
}

export const DEFAULT_RULES: KeyspaceRules = {
  prefix: 'key',
  activeKeysMax: null,
  liveCodesMax: 2,
  codesAtCreation: 1,
  codeLifetimeDays: null,
  codeLifetimeDaysMax: null,
  expiryRequired: false,
  secretDisplay: 'ONCE',
  customSecrets: false,
  authorizations: 'EDITABLE',
  policyRequired: false,
  codeDeletion: 'ALWAYS',
  defaultKeys: false,
  defaultKeyName: 'Default key',
  managedBy: 'ADMINISTRATORS',
  upstreamUserRequired: false,
  presentations: DEFAULT_PRESENTATIONS,
}

/** Of the keyspace that is made with every account; its keys are the credentials of this API. */
export const MANAGEMENT_RULES: KeyspaceRules = { ...DEFAULT_RULES, prefix: 'keyledger' }

/** The rules that may be changed in a management keyspace. */
export const MANAGEMENT_RULES_EDITABLE: readonly (keyof KeyspaceRules)[] = [
  'activeKeysMax',
  'codeLifetimeDays',
  'codeLifetimeDaysMax',
]
