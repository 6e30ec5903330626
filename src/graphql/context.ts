// What resolvers are given: who calls, and this operation's view of the data.
import type { Caller } from '#domain/caller.ts'
import { confinedTo } from '#domain/member.ts'
import { createLoaders, type Loaders } from '#queries/loaders.ts'
import type { Reader } from '#queries/reader.ts'
import type { ServingServices } from '#usage/services.ts'
import { authenticate } from '#verify/authenticate.ts'

export type Context = {
  readonly services: ServingServices
  /** As judged before this operation's latest mutation. */
  caller: Caller | undefined
  /** Who the request's credential proves at this moment. */
  readonly authenticate: () => Promise<Caller | undefined>
  readonly correlationId: string
  /** One `now` an operation; a new one after each mutation, like the loaders. */
  reader: Reader
  /** They find nothing for nobody, should a resolver ever forget to ask who calls. */
  loaders: Loaders
}

export type RequestFacts = {
  /** The header `Authorization`, whole. */
  readonly authorization: string | undefined
  /** The header `X-Keyledger-Account`: in which account a user signs in. */
  readonly accountId: string | undefined
  readonly correlationId: string
}

export async function createContext(services: ServingServices, request: RequestFacts): Promise<Context> {
  const { authorization, accountId, correlationId } = request
  const judge = () => authenticate(services, authorization, accountId)
  const caller = await judge()
  return { services, caller, authenticate: judge, correlationId, ...freshView(services, caller) }
}

/**
 * Judges the credential anew. Every mutation of an operation does: one operation may hold a hundred of them, and a key that
 * was revoked meanwhile, by one of them even, must not go on with the rest.
 */
export async function judgeCaller(context: Context): Promise<Caller | undefined> {
  context.caller = await context.authenticate()
  return context.caller
}

/** Forgets what was read: the payload of a mutation shows things as the mutation left them. */
export function startOver(context: Context): void {
  Object.assign(context, freshView(context.services, context.caller))
}

/** No user's id: lists of their keys find nothing, should a resolver ever forget to ask who calls. */
const NOBODY = ''

function freshView(services: ServingServices, caller: Caller | undefined): Pick<Context, 'reader' | 'loaders'> {
  const { database, keyring, clock } = services
  const memberId = caller === undefined ? NOBODY : confinedTo(caller)
  const reader: Reader = { database, keyring, now: clock.now(), memberId }
  return { reader, loaders: createLoaders(reader, caller) }
}
