// createKey: a key, with its first codes.
import { z } from 'zod'
import { statement } from '#database/connect.ts'
import { kindOf, shardOf } from '#domain/ids.ts'
import { invariant } from '#domain/invariant.ts'
import { decideKey } from '#domain/key/decide.ts'
import { type KeyDetails, NOT_LOGGED } from '#domain/key/events.ts'
import { newStream } from '#domain/streams.ts'
import { newId } from '#secret/ids.ts'
import { countActiveKeys, KEYSPACE_LIMITED } from './active-keys.ts'
import { type Command, notFound, refused, streamOf } from './command.ts'
import { mayMint } from './escalation.ts'
import {
  descriptionInput,
  idempotent,
  idInput,
  instantInput,
  loggingInput,
  metadataInput,
  nameInput,
  newCodesInput,
  permissionsInput,
  tagsInput,
} from './input.ts'
import { bringOwnSecret, mintCodes, plaintextsOf } from './mint-code.ts'

const input = z.object({
  keyspaceId: idInput,
  name: nameInput,
  description: descriptionInput.nullish(),
  tags: tagsInput.nullish(),
  metadata: metadataInput.nullish(),
  permissions: permissionsInput.nullish(),
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
  input,
  async locate({ transaction }, { keyspaceId, codes }) {
    if (kindOf(keyspaceId) !== 'ks') return { notFound: keyspaceId }
    const [found] = await transaction.run(
      statement<{ account_id: string; limited: boolean }>(
        `SELECT account_id, ${KEYSPACE_LIMITED} AS limited FROM state.keyspace s WHERE shard = $1 AND keyspace_id = $2`,
        [shardOf(keyspaceId), keyspaceId],
      ),
    )
    if (found === undefined) return { notFound: keyspaceId }
    const locks = [{ id: keyspaceId, exclusive: found.limited || bringOwnSecret(codes ?? []) }]
    return { accountId: found.account_id, subjectId: keyspaceId, namedId: keyspaceId, locks }
  },
  async decide(step, wanted) {
    const keyspace = streamOf(step, 'keyspace', wanted.keyspaceId)?.state
    invariant(keyspace !== undefined, 'a located keyspace is locked')
    if (keyspace.status !== 'active') return notFound(wanted.keyspaceId)
    const { rules } = keyspace
    const stream = newStream('key', newId('key', step.shard), step.accountId)
    const codes = wanted.codes ?? Array.from({ length: rules.codesAtCreation }, () => ({}))
    const where = { keyspaceId: wanted.keyspaceId, rules }
    const minted = await mintCodes(step, where, codes)
    const details = detailsOf(wanted)
    const decision = decideKey(
      {
        type: 'CreateKey',
        now: step.now,
        rules,
        keyspaceId: wanted.keyspaceId,
        details,
        enabled: wanted.enabled,
        codes: minted.map(({ request }) => request),
        activeKeyCount: await countActiveKeys(step, wanted.keyspaceId, rules),
      },
      stream.state,
    )
    if (decision.kind === 'refused') return decision
    if (keyspace.management && !mayMint(step.origin.caller, details, decision.facts))
      return refused({ code: 'GRANT_EXCEEDS_CALLER' })
    return {
      kind: 'accepted',
      changes: [{ stream, facts: decision.facts }],
      result: { keyId: stream.id, issuedCodeIds: minted.map(({ request }) => request.codeId) },
      ...plaintextsOf(step, where, minted),
    }
  },
}

function detailsOf({ name, description, tags, metadata, permissions, expiresAt, logging }: Input): KeyDetails {
  return {
    name,
    description: description ?? null,
    tags: tags ?? [],
    metadata: metadata ?? {},
    permissions: permissions ?? [],
    expiresAt: expiresAt ?? null,
    logging: logging ?? NOT_LOGGED,
  }
}
