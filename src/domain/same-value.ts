// Equality of JSON values, so that an update which changes nothing makes no event.

/**
 * Arrays are equal member by member and in order, objects whatever the order of their members. Recurses as deep as the
 * values are nested; whoever lets a value in bounds that.
 */
export function sameValue(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (Array.isArray(a) || Array.isArray(b)) {
    return (
      Array.isArray(a) &&
      Array.isArray(b) &&
      a.length === b.length &&
      a.every((value, index) => sameValue(value, b[index]))
    )
  }
  // A map rather than property access: JSON may name a member `__proto__`.
  const members = new Map<string, unknown>(Object.entries(b))
  const names = Object.entries(a)
  return (
    names.length === members.size &&
    names.every(([name, value]) => members.has(name) && sameValue(value, members.get(name)))
  )
}

/** Whether a value is given, and another one than the current. */
export function differs<Value>(next: Value | undefined, current: Value): next is Value {
  return next !== undefined && !sameValue(next, current)
}
