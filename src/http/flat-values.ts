// What reading the variables of a plain query and completing its answer share.

export type Fields<Value = unknown> = { [name: string]: Value }

/** It is for the general executor: to answer, or to tell an error about. */
export class NotPlainError extends Error {
  override readonly name = 'NotPlainError'
}

/**
 * An object without a prototype, which a field could otherwise be called after. Made by a constructor, as those of `Object.create(null)`
 * are hash tables, which are slow to fill and to read.
 */
export const NewFields = function NewFields() {} as unknown as new <Value = unknown>() => Fields<Value>
NewFields.prototype = Object.create(null)

export function demanded(value: unknown): unknown {
  if (value == null) throw new NotPlainError()
  return value
}

export function listed(value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw new NotPlainError()
  return value
}

/** `turn`: of a value that is there. */
export function orNull(turn: (value: unknown) => unknown): (value: unknown) => unknown {
  return (value) => (value == null ? null : turn(value))
}

export function isThere<Thing>(thing: Thing | undefined): thing is Thing {
  return thing !== undefined
}
