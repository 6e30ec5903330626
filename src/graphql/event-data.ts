// What of an event's data is told: all but the digests of secrets, which are of use to no one but an attacker.

const DIGESTS = new Set(['digest', 'secretId'])
/** The application's own: whatever its members are called, they are no digests of ours. */
const APPLICATION_DATA = 'metadata'

export function publicData(data: unknown): unknown {
  if (Array.isArray(data)) return data.map(publicData)
  if (typeof data !== 'object' || data === null) return data
  return Object.fromEntries(
    Object.entries(data).flatMap(([name, value]) => {
      if (DIGESTS.has(name)) return []
      return [[name, name === APPLICATION_DATA ? value : publicData(value)]]
    }),
  )
}
