// createKey: a key, with its first codes.
import { z } from 'zod'
import { statement } from '#database/connect.ts'
import type { Caller } from '#domain/caller.ts'
import { kindOf, shardOf } from '#domain/ids.ts'
import { invariant } from '#domain/invariant.ts'
import type { CreateKey } from '#domain/key/commands.ts'
import { decideKey } from '#domain/key/decide.ts'
import { type KeyCreated, type KeyFact, NOT_LOGGED } from '#domain/key/events.ts'
import type { KeyManagers, KeyspaceRules } from '#domain/keyspace/rules.ts'
import { confinedTo, mayGive, sees } from '#domain/member.ts'
import { newStream } from '#domain/streams.ts'
import { newId } from '#secret/ids.ts'
import { countActiveKeys, KEYSPACE_LIMITED } from './active-keys.ts'
import { type Command, notFound, refused, streamOf } from './command.ts'
import { mayMint } from './escalation.ts'
import { FROZEN_BYTES_MAX, policiesAmong, policiesIn, policyIdsIn } from './held-policies.ts'
import { type GivenUsers, type HeldUsers, usersAmong, usersIn } from './held-users.ts'
import {
  descriptionInput,
  idempotent,
  idInput,
  instantInput,
  loggingInput,
  metadataInput,
  namedUserInput,
  nameInput,
  newCodesInput,
  permissionsInput,
  policyIdsInput,
  tagsInput,
} from './input.ts'
import { bringOwnSecret, mintCodes, plaintextsOf } from './mint-code.ts'
import { invalidInput, refusalOfKey } from './refusal.ts'

const input = z.object({
  keyspaceId: idInput,
  name: nameInput,
  description: descriptionInput.nullish(),
  tags: tagsInput.nullish(),
  metadata: metadataInput.nullish(),
  policyIds: policyIdsInput.nullish(),
  permissions: permissionsInput.nullish(),
  ownerId: idInput.nullish(),
  actsAs: namedUserInput.nullish(),
  expiresAt: instantInput.nullish(),
  enabled: z.boolean(),
  logging: loggingInput.nullish(),
  codes: newCodesInput.nullish(),
  ...idempotent,
})
type Input = z.infer<typeof input>

export const createKey: Command<Input, { readonly keyId: string; readonly issuedCodeIds: readonly string[] }> = {
  name: 'createKey',
  permission: 'keys.write',
  heedsOwners: true,
  input,
  async locate(step, { keyspaceId, policyIds, codes, ...given }) {
    const { caller } = step.origin
    if (kindOf(keyspaceId) !== 'ks') return { notFound: keyspaceId }
    const [found] = await step.transaction.run(
      statement<{
        account_id: string
        limited: boolean
        managed_by: KeyManagers
        policy_ids: readonly string[]
      }>(
        `SELECT account_id, ${KEYSPACE_LIMITED} AS limited, s.rules ->> 'managedBy' AS managed_by,
                ${policiesAmong('$3', 's.shard', 's.account_id')} AS policy_ids
           FROM state.keyspace s WHERE shard = $1 AND keyspace_id = $2`,
        [shardOf(keyspaceId), keyspaceId, policyIdsIn(policyIds ?? [])],
      ),
    )
    if (found === undefined || !mayCreateIn(caller, { managedBy: found.managed_by })) return { notFound: keyspaceId }
    const users = await usersAmong(step, found.account_id, usersFor(caller, given))
    const held = new Set([...found.policy_ids, ...users])
    const exclusive = found.limited || bringOwnSecret(codes ?? [])
    const locks = [{ id: keyspaceId, exclusive }, ...[...held].map((id) => ({ id, exclusive: false }))]
    return { accountId: found.account_id, subjectId: keyspaceId, namedId: keyspaceId, locks }
  },
  async decide(step, wanted) {
    const keyspace = streamOf(step, 'keyspace', wanted.keyspaceId)?.state
    invariant(keyspace !== undefined, 'a located keyspace is locked')
    const { caller } = step.origin
    if (keyspace.status !== 'active' || !mayCreateIn(caller, keyspace.rules)) return notFound(wanted.keyspaceId)
    const { rules } = keyspace
    const held = policiesIn(step, wanted.policyIds ?? [])
    if ('missing' in held) return notFound(held.missing)
    const users = await usersIn(step, usersFor(caller, wanted))
    if ('refusal' in users) return refused(users.refusal)
    const stream = newStream('key', newId('key', step.shard), step.accountId)
    const codes = wanted.codes ?? Array.from({ length: rules.codesAtCreation }, () => ({}))
    const where = { keyspaceId: wanted.keyspaceId, rules }
    const minted = await mintCodes(step, where, codes)
    const decision = decideKey(
      {
        type: 'CreateKey',
        now: step.now,
        rules,
        keyspaceId: wanted.keyspaceId,
        details: detailsOf(wanted, users),
        policies: held.policies,
        enabled: wanted.enabled,
        isDefault: false,
        codes: minted.map(({ request }) => request),
        activeKeyCount: await countActiveKeys(step, wanted.keyspaceId, rules),
      },
      stream.state,
    )
    if (decision.kind === 'refused') return refused(refusalOfKey(decision.refusal))
    const created = createdBy(decision.facts)
    const exceeds = keyspace.management
      ? !mayMint(step, created, held.policies)
      : !mayGive(caller, [{ permissions: created.permissions, endpoints: [] }, ...held.policies])
    if (exceeds) return refused({ code: 'GRANT_EXCEEDS_CALLER' })
    if (rules.authorizations === 'FROZEN' && sizeOf(decision.facts) > FROZEN_BYTES_MAX)
      return refused(invalidInput(['policyIds'], 'must grant less: the key would keep a copy that is too large'))
    return {
      kind: 'accepted',
      changes: [{ stream, facts: decision.facts }],
      result: { keyId: stream.id, issuedCodeIds: minted.map(({ request }) => request.codeId) },
      ...plaintextsOf(step, where, minted),
    }
  },
}

/** What a MEMBER creates is theirs. */
function usersFor(caller: Caller, { ownerId, actsAs }: GivenUsers): GivenUsers {
  return { ownerId: ownerId ?? confinedTo(caller), actsAs }
}

function mayCreateIn(caller: Caller, rules: Pick<KeyspaceRules, 'managedBy'>): boolean {
  return sees(caller, confinedTo(caller), rules)
}

function sizeOf(facts: readonly KeyFact[]): number {
  return Math.max(...facts.map(({ data }) => Buffer.byteLength(JSON.stringify(data))))
}

function createdBy(facts: readonly KeyFact[]): KeyCreated['data'] {
  const created = facts.find((fact) => fact.type === 'key.created')
  invariant(created !== undefined, 'a key begins with its creation')
  return created.data
}

function detailsOf(
  { name, description, tags, metadata, policyIds, permissions, expiresAt, logging }: Input,
  { ownerId, actsAsId }: HeldUsers,
): CreateKey['details'] {
  return {
    name,
    description: description ?? null,
    tags: tags ?? [],
    metadata: metadata ?? {},
    policyIds: policyIds ?? [],
    permissions: permissions ?? [],
    ownerId: ownerId ?? null,
    actsAsId,
    expiresAt: expiresAt ?? null,
    logging: logging ?? NOT_LOGGED,
  }
}
