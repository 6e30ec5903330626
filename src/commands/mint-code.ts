// Codes as the deciders are asked for them: id, hint and digest made, the plaintext kept aside for the one answer. A secret is
// generated, or the caller's own; then it comes with what is to be known of it.
import type { z } from 'zod'
import { statement } from '#database/connect.ts'
import { invariant } from '#domain/invariant.ts'
import type { CodeRequest } from '#domain/key/commands.ts'
import { digestSecret, digestsOf } from '#secret/digest.ts'
import { newId } from '#secret/ids.ts'
import { hintOf, mintSecret, newHint } from '#secret/mint.ts'
import { Secret } from '#secret/secret.ts'
import { isStrong } from '#secret/strength.ts'
import type { Decided, DecideStep } from './command.ts'
import type { newCodeInput } from './input.ts'
import { keep, type Where } from './seals.ts'

export type MintedCode = { readonly request: CodeRequest; readonly secret: Secret }

type NewCodeInput = z.infer<typeof newCodeInput>

/** Whether one of them brings its own secret; then the keyspace, within which it is unique, is to be locked exclusively. */
export function bringOwnSecret(inputs: readonly NewCodeInput[]): boolean {
  return inputs.some(({ secret }) => typeof secret === 'string')
}

export async function mintCodes(
  step: DecideStep,
  where: Where,
  inputs: readonly NewCodeInput[],
): Promise<readonly MintedCode[]> {
  return Promise.all(inputs.map((input) => mintCode(step, where, input)))
}

/** What becomes of the plaintexts, by the id of their code: into the answer, and into the vault where they are to be kept. */
export function plaintextsOf(
  step: DecideStep,
  where: Where,
  minted: readonly MintedCode[],
): Required<Pick<Extract<Decided<unknown>, { kind: 'accepted' }>, 'secrets' | 'vault'>> {
  const secrets = new Map(minted.map(({ request, secret }) => [request.codeId, secret]))
  return { secrets, vault: keep(step, where, secrets) }
}

async function mintCode(step: DecideStep, where: Where, input: NewCodeInput): Promise<MintedCode> {
  const { prefix } = where.rules
  const own = typeof input.secret === 'string' ? new Secret(input.secret) : undefined
  const secret = own ?? mintSecret(prefix)
  const { digest, secretId } = digestSecret(step.services.keyring, secret.reveal())
  const request = {
    codeId: newId('code', step.shard),
    slot: input.slot ?? undefined,
    description: input.description ?? null,
    expiresAt: input.expiresAt,
    hint: own === undefined ? hintOf(secret) : newHint(prefix),
    digest: digest.toString('hex'),
    secretId,
    ownSecret: own && { strong: isStrong(own), taken: await isTaken(step, where.keyspaceId, own) },
  }
  return { request, secret }
}

/** Codes are never removed, and are looked for under every secret of the server: once in use is in use for ever. */
async function isTaken(step: DecideStep, keyspaceId: string, secret: Secret): Promise<boolean> {
  invariant(
    step.locks.some((lock) => lock.id === keyspaceId && lock.exclusive),
    'whoever brings a secret holds the keyspace alone',
  )
  const digests = digestsOf(step.services.keyring, secret.reveal()).map(({ digest }) => digest)
  const rows = await step.transaction.run(
    statement('SELECT 1 FROM state.code WHERE digest = ANY ($1) AND shard = $2 AND keyspace_id = $3 LIMIT 1', [
      digests,
      step.shard,
      keyspaceId,
    ]),
  )
  return rows.length > 0
}
