// What resolvers are given: who calls, and this operation's view of the data.
import type { Caller } from '#domain/caller.ts'
import { createLoaders, type Loaders } from '#queries/loaders.ts'
import type { Reader } from '#queries/reader.ts'
import type { ServingServices } from '#usage/services.ts'
import { authenticate } from '#verify/authenticate.ts'

export type Context = {
  readonly services: ServingServices
  readonly caller: Caller | undefined
  readonly correlationId: string
  /** One `now` an operation; a new one after each mutation, like the loaders. */
  reader: Reader
  /** They find nothing for nobody, should a resolver ever forget to ask who calls. */
  loaders: Loaders
}

export type RequestFacts = {
  /** The header `Authorization`, whole. */
  readonly authorization: string | undefined
  readonly correlationId: string
}

export async function createContext(services: ServingServices, request: RequestFacts): Promise<Context> {
  const caller = await authenticate(services, request.authorization)
  return { services, caller, correlationId: request.correlationId, ...freshView(services, caller) }
}

/** Forgets what was read: the payload of a mutation shows things as the mutation left them. */
export function startOver(context: Context): void {
  Object.assign(context, freshView(context.services, context.caller))
}

function freshView(services: ServingServices, caller: Caller | undefined): Pick<Context, 'reader' | 'loaders'> {
  const reader: Reader = { database: services.database, keyring: services.keyring, now: services.clock.now() }
  return { reader, loaders: createLoaders(reader, caller) }
}
