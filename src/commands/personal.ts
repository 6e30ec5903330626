// What events tell of people, on its way into the vault.
import type { CompiledQuery } from 'kysely'
import { statement } from '#database/connect.ts'
import { encryptPersonal, hashOfCiphertext, type PersonalKey, type PersonalValues } from '#secret/personal.ts'

export type PersonalRow = {
  readonly userId: string
  readonly version: number
  readonly name: string
  readonly ciphertext: Buffer
  /** Of the ciphertext: what the event holds. */
  readonly hash: string
}

/** The values of the event at a version of the user's stream. */
export function encryptFor(key: PersonalKey, version: number, values: PersonalValues): readonly PersonalRow[] {
  return Object.entries(values).map(([name, value]) => {
    const place = { userId: key.userId, version, name }
    const ciphertext = encryptPersonal(key, place, value)
    return { ...place, ciphertext, hash: hashOfCiphertext(ciphertext) }
  })
}

export function insertPersonal(shard: number, rows: readonly PersonalRow[]): CompiledQuery {
  return statement(
    `INSERT INTO vault.personal (shard, user_id, version, name, ciphertext)
     SELECT $1, u.* FROM unnest($2::text[], $3::integer[], $4::text[], $5::bytea[]) AS u`,
    [
      shard,
      rows.map(({ userId }) => userId),
      rows.map(({ version }) => version),
      rows.map(({ name }) => name),
      rows.map(({ ciphertext }) => ciphertext),
    ],
  )
}
