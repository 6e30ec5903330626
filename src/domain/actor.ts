// Who did it. Names are not kept here: labels are resolved on reading, so that an erased person stays erased.

export type ActorKind = 'ROOT' | 'KEY' | 'USER' | 'SYSTEM'

/** `id` is null for ROOT and SYSTEM. */
export type Actor = { readonly kind: ActorKind; readonly id: string | null }
