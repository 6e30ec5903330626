// Who people are is not in the log, only hashes of what the vault has of it. That may be erased, and the log then says so.
import type { Findings } from './findings.ts'
import type { Folder, Part } from './folder.ts'
import type { ShardFold } from './shard.ts'

export type Erased = {
  readonly userId: string
  /** The event that says so. */
  readonly eventId: string
  /** How many values the log has hashes of. */
  readonly values: number
}

export const PERSONAL_FILE = 'personal.ndjson'

/** Of one shard, whose rows are those `parts` of the file; whoever is erased as the log says is no finding. */
export function checkPersonal(
  { folder, findings }: { readonly folder: Folder; readonly findings: Findings },
  fold: ShardFold,
  parts: readonly Part[],
): readonly Erased[] {
  const expected = new Map([...fold.personal].filter(([place]) => !fold.broken.has(userOf(place))))
  const erased = erasedOf(fold)
  const keys = new Set<string>()
  for (const row of folder.rows(PERSONAL_FILE, parts)) {
    const userId = String(row.user_id)
    if (fold.broken.has(userId)) continue
    const place = `${userId}/${String(row.version)}/${String(row.name)}`
    const what = row.key === true ? `key of ${userId}` : place
    if (row.key === true) keys.add(userId)
    if (fold.erased.has(userId)) findings.add('personal', what, 'It is still there, though the log says it was erased.')
    else if (row.key === true) {
      if (!fold.streams.has(userId)) findings.add('personal', what, 'The log knows no such user.')
    } else if (!expected.has(place)) findings.add('personal', what, 'The log says nothing of it.')
    else if (expected.get(place) !== row.sha256)
      findings.add('personal', what, 'It is not what the log has the hash of.')
    expected.delete(place)
  }
  for (const [place] of expected)
    if (!fold.erased.has(userOf(place))) {
      findings.add('personal', place, 'It is missing, and the log does not say that it was erased.')
    }
  for (const userId of new Set([...fold.personal.keys()].map(userOf)))
    if (!keys.has(userId) && !fold.erased.has(userId) && !fold.broken.has(userId))
      findings.add('personal', `key of ${userId}`, 'It is missing, and the log does not say that it was erased.')
  return erased
}

function erasedOf(fold: ShardFold): readonly Erased[] {
  const values = new Map<string, number>()
  for (const place of fold.personal.keys()) values.set(userOf(place), (values.get(userOf(place)) ?? 0) + 1)
  return [...fold.erased].map(([userId, eventId]) => ({ userId, eventId, values: values.get(userId) ?? 0 }))
}

function userOf(place: string): string {
  return place.slice(0, place.indexOf('/'))
}
