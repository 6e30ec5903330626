// What a request is served with: what commands need, where its traces go, and who can tell whose token it brings.
import type { CommandServices } from '#commands/command.ts'
import type { Instant } from '#domain/instant.ts'
import type { AccessRecorder } from './accesses.ts'
import type { AccessLogParts } from './keep.ts'
import type { UseRecorder } from './uses.ts'

/** Tokens of the organisation's identity provider. */
export type IdentityTokens = {
  /** The external id in a token that is good at that instant; undefined for any other. Never rejects. */
  userNamedBy(token: string, now: Instant): Promise<string | undefined>
}

export type ServingServices = CommandServices &
  AccessLogParts & {
    readonly uses: UseRecorder
    readonly accesses: AccessRecorder
    /** Null where there is no identity provider: then nobody signs in by a token. */
    readonly identityTokens: IdentityTokens | null
  }
