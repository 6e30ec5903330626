// Who did it. Names are not kept here: labels are resolved on reading, so that an erased person stays erased.

export const ACTOR_KINDS = ['ROOT', 'KEY', 'USER', 'SYSTEM'] as const
export type ActorKind = (typeof ACTOR_KINDS)[number]

/** `id` is null for ROOT and SYSTEM. */
export type Actor = { readonly kind: ActorKind; readonly id: string | null }

/** By what they called: a management key, and that one of its codes which was presented. */
export type Credential = { readonly keyId: string; readonly codeId: string }
