// Which slot a new code gets, and whether there is room for it.
import { accept, type Decision, refuse } from '../event.ts'
import type { Instant } from '../instant.ts'
import type { KeyspaceRules } from '../keyspace/rules.ts'
import { expiryOfCode } from './code-expiry.ts'
import { type CodeLife, isLive, newestOfSlot } from './code-status.ts'
import type { CodeRequest } from './commands.ts'
import type { CodeIssued, CodeSlot, NewCode } from './events.ts'
import { refusalForSecret } from './own-secret.ts'
import type { KeyRefusal } from './refusals.ts'

/** A code as far as it takes up room: a slot, and a secret for ever. */
export type Held = CodeLife & { readonly slot: CodeSlot; readonly digest: string }

/** One more code beside `codes`, which are all the key ever had, the oldest first. */
export function decideIssue(
  request: CodeRequest,
  codes: readonly Held[],
  now: Instant,
  rules: KeyspaceRules,
): Decision<CodeIssued, KeyRefusal> {
  const slot = freeSlot(request.slot, codes, now, rules)
  if (slot === undefined || liveCount(codes, now) >= rules.liveCodesMax) return refuseForLimit(rules)
  const expiry = expiryOfCode(request.expiresAt, now, rules)
  if ('refusal' in expiry) return refuse(expiry.refusal)
  const unfit = refusalForSecret(
    request,
    rules,
    codes.map(({ digest }) => digest),
  )
  if (unfit !== undefined) return refuse(unfit)
  return accept({ type: 'code.issued', data: newCode(request, slot, expiry.expiresAt) })
}

/** Codes that are live at `now`, in both slots. */
export function liveCount(codes: readonly Held[], now: Instant): number {
  return codes.filter((code) => isLive(code, now)).length
}

export function refuseForLimit({ liveCodesMax }: KeyspaceRules): Decision<never, KeyRefusal> {
  return refuse({ code: 'CODE_LIMIT_REACHED', liveCodesMax })
}

export function newCode(request: CodeRequest, slot: CodeSlot, expiresAt: Instant | null): NewCode {
  const { codeId, hint, description, digest, secretId } = request
  return { codeId, slot, hint, description, expiresAt, digest, secretId }
}

/** The slots that codes may come into; a code that was put elsewhere under earlier rules stays until it ends. */
export function slotsOf({ liveCodesMax }: KeyspaceRules): readonly CodeSlot[] {
  return liveCodesMax > 1 ? ['PRIMARY', 'SECONDARY'] : ['PRIMARY']
}

function freeSlot(
  asked: CodeSlot | undefined,
  codes: readonly Held[],
  now: Instant,
  rules: KeyspaceRules,
): CodeSlot | undefined {
  return slotsOf(rules).find((slot) => {
    const newest = newestOfSlot(codes, slot)
    return (asked === undefined || asked === slot) && (newest === undefined || !isLive(newest, now))
  })
}
