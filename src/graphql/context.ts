// What resolvers are given: who calls, and this operation's view of the data.
import type { SigningKeys } from '#audit/note/signing-key.ts'
import type { Caller } from '#domain/caller.ts'
import type { Instant } from '#domain/instant.ts'
import { confinedTo } from '#domain/member.ts'
import { createLoaders, type Loaders } from '#queries/loaders.ts'
import type { Reader } from '#queries/reader.ts'
import { type Proof, proofOf } from '#verify/authenticate.ts'
import { type Consistency, type VerifyingServices, type View, viewOf } from '#verify/view.ts'

/** What a request is answered with. */
export type ApiServices = VerifyingServices & {
  /** Null where this instance has none. */
  readonly signingKeys: SigningKeys | null
}

export type Context = {
  readonly services: ApiServices
  /** As judged for the field that is resolved; nobody before a first one asked. */
  caller: Caller | undefined
  /** Who the request's credential proves, by what this view has seen. */
  prove(view: View, consistency: Consistency): Promise<Proof | undefined>
  /** When the caller's credential ends by itself, as last judged; null: never, or nobody. */
  credentialEndsAt: Instant | null
  newView(): View
  readonly correlationId: string
  /** The operation was measured before, and always costs the same. */
  readonly isWithinLimits: boolean
  /** Who reads the answer, for what is sent as it happens. */
  readonly audience: () => Audience
  /** Set by a subscription: its last event could not be told, and is to come again. */
  repeatEvent: (() => void) | undefined
  /** How current this operation is: a new one for each mutation, like the reader and the loaders. */
  view: View
  /** Of this view, under way or done. */
  judgements: Judgements
  /** One `now` an operation. Made when it is first asked for, as the caller's. */
  readonly reader: Reader
  /** They find nothing for nobody, should a resolver ever forget to ask who calls. */
  readonly loaders: Loaders
  /** Forgets what was read: the payload of a mutation shows things as the mutation left them. */
  startOver(): void
}

type Judgements = { [Asked in Consistency]?: Promise<Proof | undefined> }

export type Audience = {
  /** Aborts when nobody reads the answer any more. */
  readonly gone: AbortSignal
  /** Aborts when the reader has not taken for too long what was sent. */
  readonly tooSlow: AbortSignal
}

export type RequestFacts = {
  /** The header `Authorization`, whole. */
  readonly authorization: string | undefined
  /** The header `X-Keyledger-Account`: in which account a user signs in. */
  readonly accountId: string | undefined
  readonly correlationId: string
  readonly isWithinLimits?: boolean
  readonly audience: () => Audience
}

export function createContext(services: ApiServices, request: RequestFacts): Context {
  return new OperationContext(services, request)
}

/** A class, as one is made for every request: an object literal with getters costs as much as a digest. */
class OperationContext implements Context {
  readonly services: ApiServices
  readonly correlationId: string
  readonly isWithinLimits: boolean
  readonly audience: () => Audience
  caller: Caller | undefined = undefined
  credentialEndsAt: Instant | null = null
  repeatEvent: (() => void) | undefined = undefined
  view: View
  judgements: Judgements = {}
  private readonly facts: RequestFacts
  private reads: Reads | undefined = undefined

  constructor(services: ApiServices, facts: RequestFacts) {
    this.services = services
    this.facts = facts
    this.correlationId = facts.correlationId
    this.isWithinLimits = facts.isWithinLimits ?? false
    this.audience = facts.audience
    this.view = viewOf(services)
  }

  prove(view: View, consistency: Consistency): Promise<Proof | undefined> {
    const { authorization, accountId } = this.facts
    return proofOf(this.services, authorization, accountId, view, consistency)
  }

  newView(): View {
    return viewOf(this.services)
  }

  get reader(): Reader {
    return this.fresh().reader
  }

  get loaders(): Loaders {
    return this.fresh().loaders
  }

  startOver(): void {
    this.reads = undefined
  }

  private fresh(): Reads {
    this.reads ??= freshReads(this.services, this.caller)
    return this.reads
  }
}

/** The caller, judged once for all fields of an operation that ask for it as currently. Rejects with UnavailableError. */
export async function judgeCaller(context: Context, consistency: Consistency = 'STRONG'): Promise<Caller | undefined> {
  const { view, judgements } = context
  const judged = judgements.STRONG ?? judgements[consistency] ?? context.prove(view, consistency)
  judgements[consistency] = judged
  const proof = await judged
  const caller = proof?.caller
  // Fields beside this one asked for more: what is below them must not be judged by an older answer, should that come later.
  if (consistency === 'BOUNDED' && judgements.STRONG !== undefined) return judgeCaller(context)
  context.credentialEndsAt = proof?.endsAt ?? null
  if (caller !== context.caller) {
    context.caller = caller
    context.startOver()
  }
  return caller
}

/**
 * Judges the credential anew. Every mutation of an operation does: one operation may hold a hundred of them, and a key that
 * was revoked meanwhile, by one of them even, must not go on with the rest.
 */
export async function judgeCallerAnew(context: Context): Promise<Caller | undefined> {
  context.view = context.newView()
  context.judgements = {}
  return judgeCaller(context)
}

/** No user's id: lists of their keys find nothing, should a resolver ever forget to ask who calls. */
const NOBODY = ''

type Reads = Pick<Context, 'reader' | 'loaders'>

function freshReads(services: VerifyingServices, caller: Caller | undefined): Reads {
  const { database, keyring, clock } = services
  const memberId = caller === undefined ? NOBODY : confinedTo(caller)
  const reader: Reader = { database, keyring, now: clock.now(), memberId }
  return { reader, loaders: createLoaders(reader, caller) }
}
