// Accounts, newest first: all of them for root, for a management key the one it belongs to.
import type { AccountTable } from '#database/tables.ts'
import type { Caller } from '#domain/caller.ts'
import { along, type Keyset } from './keyset.ts'
import { type Page, type PageRequest, pageOf } from './page.ts'
import { countOf, type Reader, runNamed } from './reader.ts'

export type AccountRow = AccountTable

const NEWEST_FIRST: Keyset = {
  columns: [
    { name: 'account.created_at', type: 'timestamptz' },
    { name: 'account.account_id', type: 'text' },
  ],
  descending: true,
}

/** Throws BadQueryArgumentError. */
export function listAccounts(reader: Reader, caller: Caller, page: PageRequest): Promise<Page<AccountRow>> {
  const tenant = caller.kind === 'ROOT' ? null : caller.accountId
  const all = reader.database.kysely.selectFrom('state.account as account')
  const accounts = tenant === null ? all : all.where('account.account_id', '=', tenant)
  return pageOf<AccountRow>(
    {
      identity: ['accounts', tenant ?? '', 'CREATED_AT DESC'],
      fields: ['instant', 'text'],
      cursorOf: (row) => [row.created_at, row.account_id],
      read: (walk) => runNamed(reader, along(accounts.selectAll('account'), NEWEST_FIRST, walk)),
      count: () => countOf(reader, runNamed, [accounts]),
    },
    page,
  )
}
