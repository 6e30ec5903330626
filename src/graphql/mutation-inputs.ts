// Input fields that many mutations share.
import type { InputFieldMap } from '@pothos/core'
import { builder, type Types } from './builder.ts'
import { CodeSlot } from './code.ts'
import { RevocationReason } from './key.ts'

type InputBuilder = PothosSchemaTypes.InputFieldBuilder<Types, 'InputObject'>

/** Of every mutation. */
export function idempotent(t: InputBuilder) {
  return {
    idempotencyKey: t.string({
      description:
        'Makes a retry safe, up to 255 characters of your choosing: for 48 hours the same key with the same input answers with ' +
        'the first outcome, without secrets, and changes nothing. Make a new one for each new request.',
    }),
  } satisfies InputFieldMap
}

/** Of every mutation of a thing with a version. */
export function versioned(t: InputBuilder, thing: 'key' | 'keyspace' | 'link' | 'policy' | 'user') {
  return {
    expectedVersion: t.int({
      description: `Changes nothing (ConflictError) unless the ${thing} is still at this version. Absent: whatever it is at.`,
    }),
    ...idempotent(t),
  }
}

/** Of every code that is to be made. */
export function newCode(t: InputBuilder) {
  return {
    description: t.string({ description: 'For people, up to 2000 characters.' }),
    expiresAt: t.field({
      type: 'DateTime',
      description:
        "When it stops to open anything. Absent: the keyspace's default lifetime. Null: never, where the keyspace allows it.",
    }),
    secret: t.string({
      description:
        "The caller's own secret, where the keyspace allows it (`customSecrets`): 16 to 256 visible ASCII characters, not of " +
        'the form of a generated one, hard to guess (64 bits, estimated; else SECRET_TOO_WEAK), and never used in the ' +
        'keyspace before (SECRET_IN_USE). Send it in variables, not in the document. Absent: one is generated.',
    }),
  }
}

/** Of every code that takes a slot which is free. */
export function freeSlot(t: InputBuilder) {
  return {
    slot: t.field({ type: CodeSlot, description: 'Where to put it. Absent: the first free slot, PRIMARY first.' }),
  }
}

export const NewCodeInput = builder.inputType('NewCodeInput', {
  description: 'A code to issue together with its key.',
  fields: (t) => ({ ...freeSlot(t), ...newCode(t) }),
})

/** Of every mutation that ends a key. */
export function ending(t: InputBuilder) {
  return {
    reason: t.field({
      type: RevocationReason,
      required: true,
      defaultValue: 'UNSPECIFIED',
      description: 'Why, in general. Of no effect on a key that is revoked already.',
    }),
    note: t.string({ description: 'Why, in your words, up to 1000 characters; kept in the history.' }),
  }
}
