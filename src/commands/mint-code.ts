// A code as the deciders are asked for it: id, hint and digest made, the plaintext kept aside for the one answer.
import type { z } from 'zod'
import type { CodeRequest } from '#domain/key/commands.ts'
import { digestSecret } from '#secret/digest.ts'
import { newId } from '#secret/ids.ts'
import { hintOf, mintSecret } from '#secret/mint.ts'
import type { Secret } from '#secret/secret.ts'
import type { DecideStep } from './command.ts'
import type { newCodeInput } from './input.ts'

export type MintedCode = { readonly request: CodeRequest; readonly secret: Secret }

export function mintCode(step: DecideStep, prefix: string, input: z.infer<typeof newCodeInput>): MintedCode {
  const secret = mintSecret(prefix)
  const { digest, secretId } = digestSecret(step.services.keyring, secret.reveal())
  const request = {
    codeId: newId('code', step.shard),
    slot: input.slot ?? undefined,
    description: input.description ?? null,
    expiresAt: input.expiresAt,
    hint: hintOf(secret),
    digest: digest.toString('hex'),
    secretId,
  }
  return { request, secret }
}

/** Plaintexts by the id of their code. */
export function secretsOf(minted: readonly MintedCode[]): ReadonlyMap<string, Secret> {
  return new Map(minted.map(({ request, secret }) => [request.codeId, secret]))
}
