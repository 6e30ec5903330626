// The input of recordAccess, and what becomes of its texts: no secret, no more than is kept, nothing that can't be stored.
import { z } from 'zod'
import { idInput, instantInput } from '#commands/input.ts'
import { VERIFICATION_CODES } from '#domain/verdict.ts'
import type { Redact } from './redact.ts'

export const ENTRIES_MAX = 500
export const BODY_BYTES_MAX = 65_536
export const PATH_BYTES_MAX = 2_048
export const USER_AGENT_BYTES_MAX = 512
const DURATION_MS_MAX = 2_147_483_647

export const METHOD = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}$/

/** Ends a text that went on. */
export const CUT = ' …[cut]'

export const accessInput = z.object({
  codeId: idInput.nullish(),
  keyId: idInput,
  at: instantInput,
  verdict: z.enum(VERIFICATION_CODES),
  method: z.string().regex(METHOD, 'must be a method of HTTP').nullish(),
  path: z.string().nullish(),
  status: z.number().int().min(100, 'must be 100 to 599').max(599, 'must be 100 to 599').nullish(),
  durationMs: z.number().int().min(0, 'must not be negative').max(DURATION_MS_MAX).nullish(),
  clientIp: z.union([z.ipv4(), z.ipv6()], { error: 'must be an IPv4 or IPv6 address' }).nullish(),
  userAgent: z.string().nullish(),
  requestBody: z.string().nullish(),
  responseBody: z.string().nullish(),
})
export type AccessInput = z.infer<typeof accessInput>

export const recordAccessInput = z.object({
  entries: z.array(accessInput).min(1, 'must not be empty').max(ENTRIES_MAX, `must be at most ${ENTRIES_MAX} entries`),
})

/**
 * As it is kept: first without secrets, then cut, or a secret at the cut would be known no more. What can't be stored is
 * replaced, not refused: clients send what they like, and one such request must cost neither its entry nor the batch.
 */
export function keptText(text: string | null | undefined, bytesMax: number, redact: Redact): string | null {
  if (text === null || text === undefined) return null
  return cut(redact(text.toWellFormed().replaceAll('\0', '\ufffd')), bytesMax)
}

/** At most so many bytes of UTF-8, mark included; never half a character. */
function cut(text: string, bytesMax: number): string {
  const bytes = Buffer.from(text)
  if (bytes.length <= bytesMax) return text
  let end = bytesMax - Buffer.byteLength(CUT)
  // Bytes within a character begin with 10.
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1
  return `${bytes.toString('utf8', 0, end)}${CUT}`
}
