// The audit log as reviewers ask for it: checkpoints, that events are under them, that one follows from the other, and how many events
// of an account there are. What is answered is checked without us: by any tool that knows RFC 6962 and C2SP's signed notes.
import { GraphQLError } from 'graphql'
import { proofText } from '#audit/note/proof-text.ts'
import { milliseconds } from '#audit/seal/begin-log.ts'
import { type SignedHead, signAccountHead } from '#audit/seal/sign-account-head.ts'
import {
  type CheckpointRow,
  type Consistency,
  readCheckpoint,
  readConsistency,
  readingOf,
  readUnsealedSince,
} from '#queries/audit-log.ts'
import type { Inclusion } from '#queries/inclusion-proofs.ts'
import { builder } from './builder.ts'
import type { Context } from './context.ts'
import { Event } from './event.ts'
import { PROOF_COST } from './limits.ts'

const InclusionProof = builder.objectRef<Inclusion>('InclusionProof').implement({
  description:
    'That an event is in the audit log, and so under a signed checkpoint, as RFC 6962 has it. Check that SHA-256 of a zero byte and ' +
    '`entry` is `leafHash`, and that `hashes` lead from it to the root that the checkpoint of `treeSize` has; or give `text` and ' +
    '`entry` to a tool.',
  fields: (t) => ({
    leafIndex: t.field({
      type: 'Position',
      needs: 'parent',
      description: 'Which entry of the log it is, counted from 0.',
      resolve: ({ leafIndex }) => BigInt(leafIndex),
    }),
    leafHash: t.string({
      needs: 'parent',
      description: 'The hash of `entry`, in base64.',
      resolve: ({ leafHash }) => leafHash.toString('base64'),
    }),
    treeSize: t.field({
      type: 'Position',
      needs: 'parent',
      description: 'The size of the checkpoint that it is proven against.',
      resolve: ({ treeSize }) => BigInt(treeSize),
    }),
    hashes: t.stringList({
      needs: 'parent',
      description: "The proof's hashes in base64, the leaf's sibling first.",
      resolve: ({ hashes }) => hashes.map(toBase64),
    }),
    entry: t.string({
      needs: 'parent',
      description:
        "The entry's very bytes, in base64: a JSON object with the event's own bytes as `body`, digests of secrets and salted hashes of " +
        'personal data among them.',
      resolve: ({ entry }) => toBase64(entry),
    }),
    text: t.string({
      needs: 'parent',
      description: 'All of it but `entry` as a file, https://c2sp.org/tlog-proof, with the signed checkpoint.',
      resolve: ({ leafIndex, hashes, note }) => proofText({ index: leafIndex, proof: hashes, note }),
    }),
  }),
})

builder.objectField(Event, 'inclusionProof', (t) =>
  t.field({
    type: InclusionProof,
    nullable: true,
    needs: 'events.read',
    args: {
      size: t.arg({
        type: 'Position',
        description:
          'The size of the checkpoint to prove it against; absent: of the newest. INVALID_INPUT for any other.',
      }),
    },
    complexity: PROOF_COST,
    description:
      'The proof that it is in the audit log. Null for some seconds, until it is sealed, or where it was sealed only after the checkpoint ' +
      'that is asked for. Null, with a FORBIDDEN error, without the permission events.read.',
    resolve: (event, { size }, { loaders }) => loaders.inclusionProof(size ?? null).load(event),
  }),
)

const AuditCheckpoint = builder.objectRef<CheckpointRow>('AuditCheckpoint').implement({
  description:
    'The audit log at a moment, signed: an RFC 6962 tree over the events of all accounts. Keep checkpoints where the operator can not ' +
    'reach them: what is under one can not be changed unnoticed.',
  fields: (t) => ({
    logNumber: t.exposeInt('log_number', {
      needs: 'parent',
      description:
        "The log's number: `/audit/<number>/checkpoint` and `/audit/<number>/tile/…` serve it as https://c2sp.org/tlog-tiles.",
    }),
    origin: t.exposeString('origin', { needs: 'parent', description: "The log's name, and that of its keys." }),
    size: t.expose('size', {
      type: 'Position',
      needs: 'parent',
      description: 'How many entries it has: the events of all accounts, and some of its own.',
    }),
    root: t.string({
      needs: 'parent',
      description: 'The hash over all of them, in base64.',
      resolve: ({ root }) => toBase64(root),
    }),
    note: t.exposeString('note', {
      needs: 'parent',
      description: 'The same signed, https://c2sp.org/tlog-checkpoint, to be kept as it is.',
    }),
    vkeys: t.stringList({
      needs: 'parent',
      description:
        'The public keys that the log is signed by now. Whoever verifies has them from elsewhere: those that are told here prove nothing.',
      resolve: ({ vkeys }) => vkeys,
    }),
    sealedAt: t.field({
      type: 'DateTime',
      needs: 'parent',
      description: 'When it was signed, by the clock of the database.',
      resolve: ({ sealed_at: sealedAt }) => milliseconds(sealedAt),
    }),
    unsealedSince: t.field({
      type: 'DateTime',
      nullable: true,
      needs: 'parent',
      complexity: 10,
      description:
        'When the oldest event happened, of any account, that is not sealed as yet; null where all are. More than 10 seconds ago means ' +
        'that nobody seals.',
      resolve: async (_checkpoint, _arguments, { reader }) => {
        const since = await readUnsealedSince(reader)
        return since && milliseconds(since)
      },
    }),
    refusal: t.string({
      nullable: true,
      needs: 'parent',
      description:
        'Why nothing is sealed any more: history is not as it was signed. In detail for root, as it may name what is of any account. ' +
        'Null: it is sealed.',
      resolve: ({ refusal }, _arguments, { caller }) =>
        refusal !== null && caller?.kind !== 'ROOT' ? 'History is not as it was signed. Root is told more.' : refusal,
    }),
  }),
})

const AuditConsistency = builder.objectRef<Consistency>('AuditConsistency').implement({
  description: 'That the audit log of one size is the beginning of that of another, as RFC 6962 has it.',
  fields: (t) => ({
    from: t.expose('from', { type: 'Position', needs: 'parent', description: 'The smaller size.' }),
    to: t.expose('to', { type: 'Position', needs: 'parent', description: 'The larger size.' }),
    hashes: t.stringList({
      needs: 'parent',
      description: 'The proof, hashes in base64. None where the sizes are the same, or the smaller one is 0.',
      resolve: ({ hashes }) => hashes.map(toBase64),
    }),
  }),
})

type Head = Extract<SignedHead, { readonly kind: 'signed' }>

const AccountHead = builder.objectRef<Head>('AccountHead').implement({
  description:
    'How many events an account has under a checkpoint, signed. With an inclusion proof of each position from 1 to `count`, whoever ' +
    'reads one account only knows that none is kept from them.',
  fields: (t) => ({
    accountId: t.exposeID('accountId', { needs: 'parent', description: 'The account.' }),
    count: t.field({
      type: 'Position',
      needs: 'parent',
      description: 'How many of its events are sealed: those of positions 1 to this.',
      resolve: ({ count }) => BigInt(count),
    }),
    size: t.field({
      type: 'Position',
      needs: 'parent',
      description: "The checkpoint's size.",
      resolve: ({ size }) => BigInt(size),
    }),
    root: t.string({
      needs: 'parent',
      description: "The checkpoint's root, in base64.",
      resolve: ({ root }) => toBase64(root),
    }),
    note: t.exposeString('note', {
      needs: 'parent',
      description:
        'The same as a signed note, by the keys of the checkpoint. Its lines are `<origin> account-head`, the account, the count, the size ' +
        'and the root.',
    }),
  }),
})

builder.queryFields((t) => ({
  auditCheckpoint: t.field({
    type: AuditCheckpoint,
    nullable: true,
    needs: 'events.read',
    args: { size: t.arg({ type: 'Position', description: 'Its size; absent: the newest.' }) },
    description: 'A checkpoint of the audit log; null where there is none of that size, or nothing is sealed yet.',
    resolve: (_root, { size }, { reader }) => readCheckpoint(reader, size ?? null),
  }),
  auditConsistency: t.field({
    type: AuditConsistency,
    nullable: true,
    needs: 'events.read',
    args: {
      from: t.arg({ type: 'Position', required: true, description: 'The size of a checkpoint that was kept.' }),
      to: t.arg({ type: 'Position', description: 'The size of a later one; absent: of the newest.' }),
    },
    complexity: PROOF_COST,
    description:
      'The proof that the audit log only grew between two sizes. Null where nothing is sealed yet; INVALID_INPUT for sizes that the log ' +
      'never had: if a checkpoint of such a size was kept, history was cut off.',
    resolve: (_root, { from, to }, { reader }) => readConsistency(reader, from, to ?? null),
  }),
  accountHead: t.field({
    type: AccountHead,
    nullable: true,
    needs: 'events.read',
    args: { accountId: t.arg.id({ required: true, description: "The account's id." }) },
    complexity: PROOF_COST,
    description:
      'How many events of an account the newest checkpoint covers, signed now. Null where there is no such account that the caller can ' +
      'see. UNAVAILABLE where nothing is sealed yet, where this instance has no key to sign with, and while history is not as it was ' +
      'signed.',
    resolve: (_root, { accountId }, context) => headOf(accountId, context),
  }),
}))

async function headOf(accountId: string, { loaders, reader, services }: Context): Promise<Head | null> {
  const account = await loaders.account.load(accountId)
  if (account === null) return null
  if (services.signingKeys === null)
    throw unavailable('This instance has no key to sign with: ask one that has KEYLEDGER_AUDIT_KEY.')
  const head = await signAccountHead(readingOf(reader), services.signingKeys, { accountId, shard: account.shard })
  switch (head.kind) {
    case 'nothing':
      throw unavailable('Nothing is sealed yet. Try again.')
    case 'refused':
      throw unavailable('Nothing is signed now: history is not as it was signed.')
    case 'signed':
      return head
  }
}

function unavailable(message: string): GraphQLError {
  return new GraphQLError(message, { extensions: { code: 'UNAVAILABLE' } })
}

function toBase64(bytes: Buffer): string {
  return bytes.toString('base64')
}
