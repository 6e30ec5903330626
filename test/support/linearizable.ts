// What STRONG promises, asked of a record of calls: none that began after the answer of what ended a key had arrived says VALID.

export type Verified = { readonly beganAt: number; readonly valid: boolean; readonly by: string }

/** The calls that break the promise; none where it was kept. Instants are of one clock. */
export function violations(calls: readonly Verified[], acknowledgedAt: number): readonly Verified[] {
  return calls.filter(({ beganAt, valid }) => valid && beganAt > acknowledgedAt)
}
