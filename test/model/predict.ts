// What must become of a mutation: who may ask, what is no input at all, what a retry is answered, and whose rules decide. Where
// several rules say no at once any of their codes is right: the design gives them no order.
import { type Caller, may, memberIn, seesKey } from './callers.ts'
import { type Decision, type Input, type Mutation, PERMISSIONS, refuse } from './decision.ts'
import { addUser, createPolicy, decideLink, decidePolicy, decideUser, linkKey } from './directory.ts'
import { isInput } from './inputs.ts'
import { decideKeyMutation } from './keys.ts'
import { createAccount, createKeyspace, decideKeyspace, updateAccount } from './keyspaces.ts'
import type { Made, World } from './world.ts'

/** `replayed`: it was done before, under the same idempotency key. */
export type Prediction = Decision & { readonly replayed?: Made }

export function predict(world: World, caller: Caller | undefined, mutation: Mutation, input: Input): Prediction {
  if (caller === undefined) return refuse('UNAUTHENTICATED')
  const permission = PERMISSIONS[mutation]
  if (permission === 'root' ? caller.id !== 'ROOT' : !may(caller, permission)) return refuse('FORBIDDEN')
  if (!isInput(mutation, input)) return refuse('INVALID_INPUT')
  const earlier = world.remembered.get(memoryOf(caller, mutation, input))
  if (earlier !== undefined && earlier.input !== textOf(input)) return refuse('IDEMPOTENCY_KEY_REUSED')
  if (earlier !== undefined && isLost(world, caller, earlier.made)) return refuse('NOT_FOUND')
  if (earlier !== undefined) return { reasons: [], replayed: earlier.made }
  return decide(world, caller, mutation, input)
}

export function remember(world: World, caller: Caller, mutation: Mutation, input: Input, made: Made): void {
  if (input.idempotencyKey !== undefined)
    world.remembered.set(memoryOf(caller, mutation, input), { input: textOf(input), made })
}

function memoryOf(caller: Caller, mutation: Mutation, { idempotencyKey }: Input): string {
  return JSON.stringify([caller.id, mutation, idempotencyKey ?? crypto.randomUUID()])
}

function textOf({ idempotencyKey: _, ...input }: Input): string {
  return JSON.stringify(input)
}

/** A MEMBER is told no more of a key that is not theirs any more. */
function isLost(world: World, caller: Caller, { id }: Made): boolean {
  const key = world.keys.get(id)
  return memberIn(caller) !== null && key !== undefined && !seesKey(world, caller, key)
}

function decide(world: World, caller: Caller, mutation: Mutation, input: Input): Decision {
  switch (mutation) {
    case 'createAccount':
      return createAccount(world, input)
    case 'updateAccount':
      return updateAccount(world, caller, input)
    case 'createKeyspace':
      return createKeyspace(world, caller, input)
    case 'updateKeyspace':
    case 'deleteKeyspace':
      return decideKeyspace(world, caller, mutation, input)
    case 'createPolicy':
      return createPolicy(world, caller, input)
    case 'updatePolicy':
    case 'deletePolicy':
      return decidePolicy(world, caller, mutation, input)
    case 'addUser':
      return addUser(world, caller, input)
    case 'updateUser':
    case 'removeUser':
    case 'eraseUser':
      return decideUser(world, caller, mutation, input)
    case 'linkKey':
      return linkKey(world, caller, input)
    case 'updateLink':
    case 'unlinkKey':
      return decideLink(world, caller, mutation, input)
    default:
      return decideKeyMutation(world, caller, mutation, input)
  }
}
