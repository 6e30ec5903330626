// The rules of codes: where a new one goes and how long it is good, and what may become of one.
import { type Decision, type Input, type Mutation, type NewCode, nothing, type Planned, refuse } from './decision.ts'
import { isLive, newestIn, overlaps } from './standing.ts'
import type { Code, Key, Keyspace, Made, Rules, Slot, World } from './world.ts'

const DAY_MS = 86_400_000
/** Long enough, and guessed at once. */
export const WEAK_SECRET = 'a'.repeat(20)

export function instant(text: string | null | undefined): number | null | undefined {
  return typeof text === 'string' ? Date.parse(text) : text
}

export function idAndSecret({ codes }: Made, index: number): { id: string; secret: string } {
  return { id: codes[index]?.id ?? '', secret: codes[index]?.secret ?? '' }
}

export function codeOf(planned: Planned, { description }: NewCode, made: { id: string; secret: string | null }): Code {
  return {
    ...planned,
    id: made.id,
    secret: made.secret ?? '',
    description: description ?? null,
    enabled: true,
    replacedAt: null,
    overlapEndsAt: null,
    deletedAt: null,
  }
}

type Plan = { readonly reasons: readonly string[]; readonly planned?: Planned }

export function planIssue(world: World, keyspace: Keyspace, key: Key, code: NewCode): Plan {
  const { liveCodesMax } = keyspace.rules
  const free = slotsOf(keyspace.rules).filter((slot) => {
    const newest = newestIn(key, slot)
    return newest === undefined || !isLive(newest, world.now)
  })
  const slot = free.find((candidate) => (code.slot ?? candidate) === candidate)
  const isFull = key.codes.filter((other) => isLive(other, world.now)).length >= liveCodesMax
  const { reasons, expiresAt } = terms(world, keyspace, key, code)
  if (slot === undefined || isFull) return { reasons: ['CODE_LIMIT_REACHED', ...reasons] }
  return { reasons, planned: { slot, expiresAt, kept: isKept(keyspace) } }
}

/** Codes of a new key, one after the other, which it has from then on. */
export function planAll(world: World, keyspace: Keyspace, key: Key, wanted: readonly NewCode[]) {
  const reasons: string[] = []
  const codes: Planned[] = []
  for (const code of wanted) {
    const plan = planIssue(world, keyspace, key, code)
    reasons.push(...plan.reasons)
    if (plan.planned === undefined) continue
    codes.push(plan.planned)
    key.codes.push(codeOf(plan.planned, code, { id: '', secret: code.secret ?? null }))
  }
  return { reasons, codes }
}

/** To be shown again, until it is retired. */
const isKept = ({ rules }: Keyspace) => rules.secretDisplay === 'REVEALABLE'

function slotsOf({ liveCodesMax }: Rules): readonly Slot[] {
  return liveCodesMax === 2 ? ['PRIMARY', 'SECONDARY'] : ['PRIMARY']
}

/** What holds for every new code: when it expires, and whether its own secret will do. */
function terms(world: World, keyspace: Keyspace, key: Key, { expiresAt: asked, secret }: NewCode) {
  const { codeLifetimeDays, codeLifetimeDaysMax, expiryRequired, customSecrets } = keyspace.rules
  const after = (days: number | null) => (days === null ? null : world.now + days * DAY_MS)
  const latest = after(codeLifetimeDaysMax)
  const expiresAt = instant(asked)
  const reasons: string[] = []
  if (expiresAt === undefined && expiryRequired) reasons.push('EXPIRY_REQUIRED')
  if (expiresAt === null && latest !== null) reasons.push('EXPIRY_OUT_OF_RANGE')
  if (typeof expiresAt === 'number' && (expiresAt <= world.now || (latest !== null && expiresAt > latest)))
    reasons.push('EXPIRY_OUT_OF_RANGE')
  if (secret) {
    const neighbours = [key, ...world.keys.values()].filter(({ keyspaceId }) => keyspaceId === keyspace.id)
    if (!customSecrets) reasons.push('SECRET_NOT_ALLOWED')
    if (secret === WEAK_SECRET) reasons.push('SECRET_TOO_WEAK')
    if (neighbours.some(({ codes }) => codes.some((other) => other.secret === secret))) reasons.push('SECRET_IN_USE')
  }
  return { reasons, expiresAt: expiresAt === undefined ? after(codeLifetimeDays ?? codeLifetimeDaysMax) : expiresAt }
}

export function rotateKey(world: World, keyspace: Keyspace, key: Key, input: Input): Decision {
  const { slot = 'PRIMARY', overlapSeconds = 0 } = input as { slot?: Slot; overlapSeconds?: number }
  const { now } = world
  const old = newestIn(key, slot)
  if (old === undefined || old.deletedAt !== null) return refuse('SLOT_EMPTY')
  const isFull = key.codes.filter((code) => isLive(code, now)).length >= keyspace.rules.liveCodesMax
  const noRoom = !isLive(old, now) && (isFull || !slotsOf(keyspace.rules).includes(slot))
  const { reasons, expiresAt } = terms(world, keyspace, key, input)
  const planned = { slot, expiresAt, kept: isKept(keyspace) }
  return {
    reasons: [...reasons, ...(noRoom ? ['CODE_LIMIT_REACHED'] : [])],
    events: ['key.rotated'],
    codes: [planned],
    apply(made) {
      // One overlap a slot.
      for (const code of key.codes) if (code.slot === slot && overlaps(code, now)) code.overlapEndsAt = now
      const opens = old.enabled && isLive(old, now) && overlapSeconds > 0
      const end = Math.min(now + overlapSeconds * 1_000, old.expiresAt ?? Number.POSITIVE_INFINITY)
      Object.assign(old, { replacedAt: now, overlapEndsAt: opens ? end : null, kept: false })
      key.codes.push(codeOf(planned, input, idAndSecret(made, 0)))
    },
  }
}

export function decideCode(
  now: number,
  { rules }: Keyspace,
  key: Key,
  code: Code,
  mutation: Mutation,
  { description }: Input,
): Decision {
  if (key.end !== null) return refuse(`KEY_${key.end}`)
  const done = (event: string, change: Partial<Code>): Decision => ({
    reasons: [],
    events: [event],
    apply: () => Object.assign(code, change),
  })
  const opens = isLive(code, now) || overlaps(code, now)
  const cut = overlaps(code, now) ? { overlapEndsAt: now } : {}
  switch (mutation) {
    case 'revealCode':
      if (!isLive(code, now)) return refuse('CODE_NOT_LIVE')
      if (rules.secretDisplay === 'ONCE' || !code.kept) return refuse('SECRET_NOT_REVEALABLE')
      return {
        ...{ reasons: [], events: ['code.revealed'], reveals: code.secret },
        apply: (made) => Object.assign(code, { secret: made.codes[0]?.secret }),
      }
    case 'updateCode':
      if (code.deletedAt !== null) return refuse('CODE_NOT_LIVE')
      return description === undefined || description === code.description
        ? nothing
        : done('code.updated', { description })
    case 'enableCode':
      if (!isLive(code, now)) return refuse('CODE_NOT_LIVE')
      return code.enabled ? nothing : done('code.enabled', { enabled: true })
    case 'disableCode':
      // Switched off it stays, also once it is replaced.
      if (!code.enabled && code.deletedAt === null && (code.replacedAt !== null || isLive(code, now))) return nothing
      return opens ? done('code.disabled', { enabled: false, ...cut }) : refuse('CODE_NOT_LIVE')
    default:
      if (code.deletedAt !== null) return nothing
      if (code.replacedAt !== null && !overlaps(code, now)) return refuse('CODE_NOT_LIVE')
      if (rules.codeDeletion === 'WHEN_DISABLED' && code.enabled && opens) return refuse('CODE_ENABLED')
      return done('code.deleted', { deletedAt: now, kept: false, ...cut })
  }
}
