// The expected "no" answers of a user.

export type UserRefusal = { readonly code: 'NAME_IN_USE' } | { readonly code: 'GRANT_EXCEEDS_CALLER' }
