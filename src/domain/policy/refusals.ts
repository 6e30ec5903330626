// The expected "no" answers of a policy.

export type PolicyRefusal = { readonly code: 'NAME_IN_USE' } | { readonly code: 'POLICY_IN_USE' }
