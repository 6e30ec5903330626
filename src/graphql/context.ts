// What resolvers are given: who calls, and this operation's view of the data.
import type { Caller } from '#domain/caller.ts'
import { confinedTo } from '#domain/member.ts'
import { createLoaders, type Loaders } from '#queries/loaders.ts'
import type { Reader } from '#queries/reader.ts'
import { authenticate } from '#verify/authenticate.ts'
import { type Consistency, type VerifyingServices, type View, viewOf } from '#verify/view.ts'

export type Context = {
  readonly services: VerifyingServices
  /** As judged for the field that is resolved; nobody before a first one asked. */
  caller: Caller | undefined
  /** Who the request's credential proves, by what this view has seen. */
  readonly authenticate: (view: View, consistency: Consistency) => Promise<Caller | undefined>
  readonly newView: () => View
  readonly correlationId: string
  /** How current this operation is: a new one for each mutation, like the reader and the loaders. */
  view: View
  /** One `now` an operation. Made when it is first asked for, as the caller's. */
  readonly reader: Reader
  /** They find nothing for nobody, should a resolver ever forget to ask who calls. */
  readonly loaders: Loaders
  /** Forgets what was read: the payload of a mutation shows things as the mutation left them. */
  startOver(): void
}

export type RequestFacts = {
  /** The header `Authorization`, whole. */
  readonly authorization: string | undefined
  /** The header `X-Keyledger-Account`: in which account a user signs in. */
  readonly accountId: string | undefined
  readonly correlationId: string
}

export function createContext(services: VerifyingServices, request: RequestFacts): Context {
  const { authorization, accountId, correlationId } = request
  let reads: Reads | undefined
  return {
    services,
    caller: undefined,
    authenticate: (view, consistency) => authenticate(services, authorization, accountId, view, consistency),
    newView: () => viewOf(services),
    correlationId,
    view: viewOf(services),
    get reader() {
      reads ??= freshReads(services, this.caller)
      return reads.reader
    },
    get loaders() {
      reads ??= freshReads(services, this.caller)
      return reads.loaders
    },
    startOver() {
      reads = undefined
    },
  }
}

/** The judgements of a view that are under way or done. */
const judgements = new WeakMap<View, Map<Consistency, Promise<Caller | undefined>>>()

/** The caller, judged once for all fields of an operation that ask for it as currently. Rejects with UnavailableError. */
export async function judgeCaller(context: Context, consistency: Consistency = 'STRONG'): Promise<Caller | undefined> {
  const { view } = context
  const known = judgements.get(view) ?? new Map<Consistency, Promise<Caller | undefined>>()
  judgements.set(view, known)
  const judged = known.get('STRONG') ?? known.get(consistency) ?? context.authenticate(view, consistency)
  known.set(consistency, judged)
  const caller = await judged
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
