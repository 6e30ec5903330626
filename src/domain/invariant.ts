// Assertions about our own code: a failed one is a defect, never a user's mistake, and fails the request.

/** Throws where something that can't be has happened. */
export function invariant(condition: unknown, why: string): asserts condition {
  if (!condition) throw new Error(`Invariant broken: ${why}`)
}

/** Closes a switch over a union: the compiler refuses it when a member is added and not handled. */
export function unreachable(value: never): never {
  throw new Error(`Invariant broken: unhandled ${JSON.stringify(value)}`)
}
