// The code: one secret of a key, without the secret.
import type { Actor as ActorShape } from '#domain/actor.ts'
import { codeStatus, type CodeStatus as Status } from '#domain/key/code-status.ts'
import type { CodeSlot as Slot } from '#domain/key/events.ts'
import type { CodeRow } from '#queries/codes.ts'
import type { Secret } from '#secret/secret.ts'
import { Actor } from './actor.ts'
import { builder } from './builder.ts'
import type { Context } from './context.ts'
import { found } from './found.ts'
import { ApiKey } from './key.ts'
import { costOfList } from './limits.ts'
import { Node } from './node.ts'
import { AT, asOf, costOfThing } from './past.ts'

const STATUSES: { readonly [Name in Status]: { readonly description: string } } = {
  VALID: { description: 'Good, as far as the code goes: it opens what its key opens.' },
  DISABLED: { description: 'Switched off; `enableCode` switches it on again.' },
  EXPIRED: { description: 'Past its expiry. Its slot can be issued anew, or rotated.' },
  REPLACED: { description: 'Another code has taken its place. Until `overlapEndsAt` it still verifies.' },
  REVOKED: { description: 'Its key is revoked or deleted.' },
  DELETED: { description: 'Deleted for good.' },
}
const CodeStatus = builder.enumType('CodeStatus', {
  description: 'What a code is now: the first that applies of DELETED, REVOKED, REPLACED, DISABLED, EXPIRED, VALID.',
  values: STATUSES,
})

const SLOTS: { readonly [Name in Slot]: { readonly description: string } } = {
  PRIMARY: { description: 'The first, and the only one where the keyspace allows one live code a key.' },
  SECONDARY: { description: 'The second, for secrets that are replaced at different times.' },
}
export const CodeSlot = builder.enumType('CodeSlot', {
  description: 'The two places for codes of a key. Each holds at most one live code.',
  values: SLOTS,
})

export const AccessCode = builder.objectRef<CodeRow>('AccessCode').implement({
  description: 'One secret of a key: where it stands and how long it is good. The secret itself is never part of this.',
  interfaces: [Node],
  fields: (t) => ({
    key: t.field({
      type: ApiKey,
      needs: 'parent',
      past: true,
      description: 'The key it is a secret of.',
      resolve: async ({ key_id }, _arguments, { loaders }) => found(await loaders.key.load(key_id)),
    }),
    slot: t.expose('slot', { type: CodeSlot, needs: 'parent', description: 'Its place.' }),
    hint: t.exposeString('hint', {
      needs: 'parent',
      description:
        'The readable head of the secret, to match it in logs: `bss_7Q2mX9aTzK`. It helps nobody to guess the rest. Of a secret ' +
        'that the caller gave it is no part: it only looks like one, so that every code has a name for people.',
    }),
    description: t.exposeString('description', { nullable: true, needs: 'parent', description: 'For people.' }),
    status: t.field({
      type: CodeStatus,
      needs: 'parent',
      past: true,
      description: 'What it is now, by the clock of the server that answers.',
      resolve: statusOf,
    }),
    enabled: t.exposeBoolean('enabled', {
      needs: 'parent',
      description: 'The switch of `enableCode` and `disableCode`, whatever the status.',
    }),
    issuedAt: t.expose('issued_at', { type: 'DateTime', needs: 'parent', description: 'When it was issued.' }),
    issuedBy: t.field({
      type: Actor,
      needs: 'parent',
      past: true,
      description: 'Who issued it.',
      resolve: (code): ActorShape => ({ kind: code.issued_by_kind, id: code.issued_by_id }),
    }),
    expiresAt: t.expose('expires_at', {
      type: 'DateTime',
      nullable: true,
      needs: 'parent',
      description: "From here on it opens nothing. Null: never. The key's own expiry bounds it too.",
    }),
    replacedAt: t.expose('replaced_at', {
      type: 'DateTime',
      nullable: true,
      needs: 'parent',
      description: 'When another took its place; null where none has.',
    }),
    overlapEndsAt: t.expose('overlap_ends_at', {
      type: 'DateTime',
      nullable: true,
      needs: 'parent',
      description: 'Replaced, it still verifies before this instant. Null: it stopped at once.',
    }),
    deletedAt: t.expose('deleted_at', {
      type: 'DateTime',
      nullable: true,
      needs: 'parent',
      description: 'When it was deleted; null where it is not.',
    }),
  }),
})

builder.objectField(AccessCode, 'replacedBy', (t) =>
  t.field({
    type: AccessCode,
    nullable: true,
    needs: 'parent',
    past: true,
    description: 'The code that took its place; null where none has.',
    resolve: ({ replaced_by_id: id }, _arguments, { loaders }) => (id === null ? null : loaders.code.load(id)),
  }),
)

/** A code just issued, and its secret; no secret where this is the answer to a retry. */
export type Issued = { readonly codeId: string; readonly secret: Secret | undefined }

export const IssuedCode = builder.objectRef<Issued>('IssuedCode').implement({
  description: 'A new code with its secret.',
  fields: (t) => ({
    accessCode: t.field({
      type: AccessCode,
      needs: 'parent',
      description: 'The code.',
      resolve: async ({ codeId }, _arguments, { loaders }) => found(await loaders.code.load(codeId)),
    }),
    secret: t.string({
      nullable: true,
      needs: 'parent',
      description:
        'The plaintext, in this answer only: store it now. It can be shown again only where the keyspace is REVEALABLE. Null in the ' +
        'answer to a retry with the same idempotency key; where the first answer was lost, get a new secret with `rotateKey`.',
      resolve: ({ secret }) => secret?.reveal() ?? null,
    }),
  }),
})

const RETIRED_MAX = 100
/** Both slots, and an overlap in each. */
const SHOWN_MAX = 4

builder.objectField(ApiKey, 'codes', (t) =>
  t.field({
    type: [AccessCode],
    // Part of the key itself: whoever just made a key may see what codes it has.
    needs: 'parent',
    past: true,
    args: {
      retired: t.arg.boolean({
        required: true,
        defaultValue: false,
        description:
          'Add up to 100 retired ones, the newest first: replaced, deleted, or followed by another in their slot.',
      }),
    },
    complexity: ({ retired }) => costOfList(retired ? RETIRED_MAX + SHOWN_MAX : SHOWN_MAX),
    description: "Each slot's newest code, also when it has expired, PRIMARY first, and those still in overlap.",
    resolve: codesOf,
  }),
)

builder.queryField('code', (t) =>
  t.field({
    type: AccessCode,
    nullable: true,
    needs: 'keys.read',
    args: {
      id: t.arg.id({ required: true, description: "The code's id." }),
      at: t.arg({ type: 'DateTime', description: AT }),
    },
    complexity: costOfThing,
    description: 'One code, retired or not; null where there is none that the caller can see.',
    resolve: (_root, { id, at }, context) => asOf(context, at).loaders.code.load(id),
  }),
)

async function codesOf(
  { key_id }: { readonly key_id: string },
  { retired }: { readonly retired: boolean },
  { loaders }: Context,
): Promise<readonly CodeRow[]> {
  if (!retired) return loaders.codesOfKey.load(key_id)
  return (await Promise.all([loaders.codesOfKey.load(key_id), loaders.retiredCodesOfKey.load(key_id)])).flat()
}

async function statusOf(code: CodeRow, _arguments: unknown, { loaders, reader }: Context): Promise<Status> {
  const key = found(await loaders.key.load(code.key_id))
  const life = {
    enabled: code.enabled,
    expiresAt: code.expires_at,
    replacedAt: code.replaced_at,
    deletedAt: code.deleted_at,
  }
  return codeStatus(life, key.revoked_at !== null, reader.now)
}
