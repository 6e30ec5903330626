// The expected "no" answers of a link, and what a link says no to.

export type LinkRefusal =
  | { readonly code: 'POLICY_REQUIRED' }
  | { readonly code: 'LINK_TO_OWN_KEY' }
  | { readonly code: 'ALREADY_LINKED' }

/** To the linking account, which asks for codes of a key that it has only linked. */
export type LinkedKeyRefusal = { readonly code: 'LINKED_KEY_HAS_NO_CODES' }
