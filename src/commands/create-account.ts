// createAccount: a tenant, born with its management keyspace and pinned to a feed shard for ever.
import { z } from 'zod'
import { statement } from '#database/connect.ts'
import { decideAccount } from '#domain/account/decide.ts'
import { invariant } from '#domain/invariant.ts'
import { decideKeyspace } from '#domain/keyspace/decide.ts'
import { MANAGEMENT_RULES } from '#domain/keyspace/rules.ts'
import { newStream } from '#domain/streams.ts'
import { newId } from '#secret/ids.ts'
import type { Command } from './command.ts'
import { idempotent, nameInput } from './input.ts'

const input = z.object({ name: nameInput, ...idempotent })

const MANAGEMENT_KEYSPACE_NAME = 'management'

export const createAccount: Command<z.infer<typeof input>, { readonly accountId: string }> = {
  name: 'createAccount',
  permission: 'root',
  input,
  async locate({ transaction }) {
    // At random: accounts made at once then don't all meet on one shard's counter.
    const [row] = await transaction.run(
      statement<{ shard: number }>('SELECT shard FROM log.feed_shard ORDER BY random() LIMIT 1', []),
    )
    invariant(row !== undefined, 'there are feed shards')
    return { accountId: newId('acct', row.shard), subjectId: null, namedId: null, locks: [] }
  },
  async decide({ accountId, shard }, { name }) {
    const managementKeyspaceId = newId('ks', shard)
    const account = newStream('account', accountId, accountId)
    const keyspace = newStream('keyspace', managementKeyspaceId, accountId)
    const accountDecision = decideAccount({ type: 'CreateAccount', name, managementKeyspaceId }, account.state)
    const keyspaceDecision = decideKeyspace(
      {
        type: 'CreateKeyspace',
        name: MANAGEMENT_KEYSPACE_NAME,
        management: true,
        rules: MANAGEMENT_RULES,
        nameTaken: false,
      },
      keyspace.state,
    )
    invariant(accountDecision.kind === 'accepted', 'a new account is never refused')
    invariant(keyspaceDecision.kind === 'accepted', 'a management keyspace is never refused')
    return {
      kind: 'accepted',
      changes: [
        { stream: account, facts: accountDecision.facts },
        { stream: keyspace, facts: keyspaceDecision.facts },
      ],
      result: { accountId },
    }
  },
}
