// Fields that the successes of several mutations share. Whoever ran a mutation may read its answer, hence `parent`.
import { Account } from './account.ts'
import { AccessCode, type Issued, IssuedCode } from './code.ts'
import type { Success, SuccessBuilder } from './command-mutation.ts'
import { found } from './found.ts'
import { ApiKey } from './key.ts'
import { Keyspace } from './keyspace.ts'
import { costOfList } from './limits.ts'
import { KeyLink } from './link.ts'
import { Policy } from './policy.ts'
import { User } from './user.ts'

export function accountField<Result extends { readonly accountId: string }>(t: SuccessBuilder<Result>) {
  return t.field({
    type: Account,
    needs: 'parent',
    description: 'The account, as it is now.',
    resolve: async ({ result }, _arguments, { loaders }) => found(await loaders.account.load(result.accountId)),
  })
}

export function keyspaceField<Result extends { readonly keyspaceId: string }>(t: SuccessBuilder<Result>) {
  return t.field({
    type: Keyspace,
    needs: 'parent',
    description: 'The keyspace, as it is now.',
    resolve: async ({ result }, _arguments, { loaders }) => found(await loaders.keyspace.load(result.keyspaceId)),
  })
}

export function linkField<Result extends { readonly linkId: string }>(t: SuccessBuilder<Result>) {
  return t.field({
    type: KeyLink,
    needs: 'parent',
    description: 'The link, as it is now.',
    resolve: async ({ result }, _arguments, { loaders }) => found(await loaders.link.load(result.linkId)),
  })
}

export function policyField<Result extends { readonly policyId: string }>(t: SuccessBuilder<Result>) {
  return t.field({
    type: Policy,
    needs: 'parent',
    description: 'The policy, as it is now.',
    resolve: async ({ result }, _arguments, { loaders }) => found(await loaders.policy.load(result.policyId)),
  })
}

export function userField<Result extends { readonly userId: string }>(t: SuccessBuilder<Result>) {
  return t.field({
    type: User,
    needs: 'parent',
    description: 'The user, as they are now.',
    resolve: async ({ result }, _arguments, { loaders }) => found(await loaders.user.load(result.userId)),
  })
}

export function keyField<Result extends { readonly keyId: string }>(t: SuccessBuilder<Result>) {
  return t.field({
    type: ApiKey,
    needs: 'parent',
    description: 'The key, as it is now.',
    resolve: async ({ result }, _arguments, { loaders }) => found(await loaders.key.load(result.keyId)),
  })
}

/** Of a mutation that may end a default key. */
export function replacementFields<Result extends Issuing & { readonly replacementKeyId: string | null }>(
  t: SuccessBuilder<Result>,
) {
  return {
    replacement: t.field({
      type: ApiKey,
      nullable: true,
      needs: 'parent',
      description: 'The default key that took the place of the one that was ended; null where that was none.',
      resolve: async ({ result: { replacementKeyId } }, _arguments, { loaders }) =>
        replacementKeyId === null ? null : found(await loaders.key.load(replacementKeyId)),
    }),
    issued: issuedCodesField(t, { description: 'The codes of the replacement, each with its secret.' }),
  }
}

export function codeField<Result extends { readonly codeId: string }>(t: SuccessBuilder<Result>) {
  return t.field({
    type: AccessCode,
    needs: 'parent',
    description: 'The code, as it is now.',
    resolve: async ({ result }, _arguments, { loaders }) => found(await loaders.code.load(result.codeId)),
  })
}

type Issuing = { readonly issuedCodeIds: readonly string[] }

type IssuedOptions = { readonly description?: string; readonly atMost?: number }

/** Of a mutation that issues any number of codes. */
export function issuedCodesField<Result extends Issuing>(
  t: SuccessBuilder<Result>,
  { description = 'The codes issued with it, each with its secret.', atMost = 2 }: IssuedOptions = {},
) {
  return t.field({
    type: [IssuedCode],
    needs: 'parent',
    complexity: costOfList(atMost),
    description,
    resolve: issuedBy,
  })
}

/** Of a mutation that issues exactly one. */
export function issuedCodeField<Result extends Issuing>(t: SuccessBuilder<Result>) {
  return t.field({
    type: IssuedCode,
    needs: 'parent',
    description: 'The new code with its secret.',
    resolve: (done) => found(issuedBy(done)[0]),
  })
}

function issuedBy({ result, secrets }: Success<Issuing>): readonly Issued[] {
  return result.issuedCodeIds.map((codeId) => ({ codeId, secret: secrets.get(codeId) }))
}
