// Users of an account, newest first, and who they are: read from the vault, and decrypted only to be shown.
import { statement } from '#database/connect.ts'
import type { UserTable } from '#database/tables.ts'
import { identitiesOf } from '#secret/identity.ts'
import { decryptPersonal, openPersonalKey } from '#secret/personal.ts'
import { parametersOf } from './codes.ts'
import { isText } from './cursor.ts'
import { along, type Keyset } from './keyset.ts'
import { type Page, type PageRequest, pageOf } from './page.ts'
import { countOf, type Reader, runNamed } from './reader.ts'
import { locate, type Place } from './shard.ts'

export type UserRow = UserTable

/** Who a user is. */
export type Profile = { readonly externalId: string; readonly displayName: string | null }

const NEWEST_FIRST: Keyset = {
  columns: [
    { name: 'user.created_at', type: 'timestamptz' },
    { name: 'user.user_id', type: 'text' },
  ],
  descending: true,
}

/** Removed ones are in no list. Throws BadQueryArgumentError. */
export function listUsers(reader: Reader, accountId: string, page: PageRequest): Promise<Page<UserRow>> {
  const { shard, id } = locate('acct', accountId)
  const users = reader.database.kysely
    .selectFrom('state.user as user')
    .where('user.shard', '=', shard)
    .where('user.account_id', '=', id)
    .where('user.removed_at', 'is', null)
  return pageOf<UserRow>(
    {
      identity: ['users', accountId, 'CREATED_AT DESC'],
      fields: ['instant', 'text'],
      cursorOf: (row) => [row.created_at, row.user_id],
      read: (walk) => runNamed(reader, along(users.selectAll('user'), NEWEST_FIRST, walk)),
      count: () => countOf(reader, runNamed, [users]),
    },
    page,
  )
}

/** By the exact external id; null where nobody has it now. */
export async function findUserByExternalId(
  reader: Reader,
  accountId: string,
  externalId: string,
): Promise<UserRow | null> {
  if (!isText(externalId)) return null
  const { shard, id } = locate('acct', accountId)
  const digests = identitiesOf(reader.keyring, id, externalId).map(({ digest }) => digest)
  const [row] = await runNamed(
    reader,
    statement<UserRow>(
      `SELECT row.* FROM state.user AS row
        WHERE row.shard = $1 AND row.user_id = (
          SELECT user_id FROM vault.identity WHERE shard = $1 AND account_id = $2 AND digest = ANY ($3) LIMIT 1)`,
      [shard, id, digests],
    ),
  )
  return row ?? null
}

const PROFILES = `
  SELECT row.user_id, row.sealed, row.secret_id, told.name, told.version, told.ciphertext
    FROM unnest($1::smallint[], $2::text[]) AS wanted (shard, id)
    JOIN vault.user_key AS row ON row.shard = wanted.shard AND row.user_id = wanted.id
   CROSS JOIN (VALUES ('externalId'), ('displayName')) AS names (name)
   CROSS JOIN LATERAL (
     SELECT personal.name, personal.version, personal.ciphertext FROM vault.personal
      WHERE personal.shard = row.shard AND personal.user_id = row.user_id AND personal.name = names.name
      ORDER BY personal.version DESC LIMIT 1) AS told
   WHERE $3::text IS NULL OR row.account_id = $3`

type ToldRow = {
  readonly user_id: string
  readonly sealed: Buffer
  readonly secret_id: string
  readonly name: string
  readonly version: number
  readonly ciphertext: Buffer
}

/** By the user's id; nothing for those who were erased. `tenant` is the account that may see them, null for any. */
export async function readProfiles(
  reader: Reader,
  users: readonly Place[],
  tenant: string | null,
): Promise<ReadonlyMap<string, Profile>> {
  const rows = await runNamed(reader, statement<ToldRow>(PROFILES, parametersOf(users, tenant)))
  const byUser = Map.groupBy(rows, (row) => row.user_id)
  return new Map([...byUser].map(([userId, told]) => [userId, profileOf(reader, userId, told)]))
}

function profileOf({ keyring }: Reader, userId: string, told: readonly ToldRow[]): Profile {
  const values = new Map(
    told.map(({ name, version, ciphertext, sealed, secret_id: secretId }) => {
      const key = openPersonalKey(keyring, userId, { sealed, secretId })
      return [name, decryptPersonal(key, { userId, version, name }, ciphertext)]
    }),
  )
  return { externalId: values.get('externalId') ?? userId, displayName: values.get('displayName') ?? null }
}
