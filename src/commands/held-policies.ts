// The policies that a command gives to a key. Their streams are locked, shared, together with all others: a policy is then
// neither deleted nor changed between the moment it is looked at and the moment the key has it.
import type { PolicyGrant } from '#domain/grant.ts'
import { kindOf } from '#domain/ids.ts'
import { type DecideStep, streamOf } from './command.ts'

/**
 * SQL: which of the ids in an array (a parameter) are policies of an account (a column) in a shard. Asked before the locks, so
 * that no other account's stream is ever locked; from the log, as state tables are locked in an order of their own.
 */
export function policiesAmong(parameter: string, shard: string, accountId: string): string {
  return `ARRAY(SELECT t.stream_id FROM log.stream t
    WHERE t.shard = ${shard} AND t.account_id = ${accountId} AND t.stream_id = ANY (${parameter}::text[]))`
}

/** The parameter of `policiesAmong`: what is no id of a policy names none. */
export function policyIdsIn(ids: readonly string[]): readonly string[] {
  return ids.filter((id) => kindOf(id) === 'pol')
}

/** What a locked policy grants; undefined where there is none, or none any more. */
export function policyIn(step: DecideStep, policyId: string): PolicyGrant | undefined {
  const policy = kindOf(policyId) === 'pol' ? streamOf(step, 'policy', policyId)?.state : undefined
  if (policy?.status !== 'active') return undefined
  const { permissions, endpoints } = policy
  return { policyId, permissions, endpoints }
}

/** What locked policies grant, in the order of their ids here, or the first id that names none. */
export function policiesIn(
  step: DecideStep,
  policyIds: readonly string[],
): { readonly policies: readonly PolicyGrant[] } | { readonly missing: string } {
  const policies: PolicyGrant[] = []
  for (const id of policyIds) {
    const policy = policyIn(step, id)
    if (policy === undefined) return { missing: id }
    policies.push(policy)
  }
  return { policies }
}

/** Of the largest event that keeps policies: with what every event has beside its data it stays below the 60 000 that the log allows. */
export const FROZEN_BYTES_MAX = 58_000
