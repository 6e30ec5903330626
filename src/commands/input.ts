// The shapes of input that mutations share, and their limits. Together they keep the largest event below the 60 000 bytes
// that log.event allows.
import { z } from 'zod'
import type { Json } from '#domain/key/events.ts'
import { isPermission } from '#domain/permission.ts'
import { isOwnSecret } from '#secret/token.ts'

const NAME_LENGTH_MAX = 200
const DESCRIPTION_LENGTH_MAX = 2_000
const NOTE_LENGTH_MAX = 1_000
/** An e-mail address may have as many. */
const EXTERNAL_ID_LENGTH_MAX = 320
const TAGS_MAX = 50
const TAG_LENGTH_MAX = 100
const PERMISSIONS_MAX = 100
const POLICIES_MAX = 50
const METADATA_BYTES_MAX = 16_384
const METADATA_DEPTH_MAX = 20
const IDEMPOTENCY_KEY_LENGTH_MAX = 255
const CODES_MAX = 2
/** 30 days. */
export const OVERLAP_SECONDS_MAX = 2_592_000

// Control characters forge lines in logs and lists, PostgreSQL stores no NUL, and lone surrogates are no Unicode.
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
const CONTROL_BUT_LINES = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]/

function text(lengthMax: number, control: RegExp) {
  return z
    .string({ error: 'must be text' })
    .max(lengthMax, `must be at most ${lengthMax} characters`)
    .refine((value) => value.isWellFormed(), 'must be well-formed Unicode')
    .refine((value) => !control.test(value), 'must not hold control characters')
}

function line(lengthMax: number) {
  return text(lengthMax, CONTROL).refine((value) => value.trim() !== '', 'must not be blank')
}

export const nameInput = line(NAME_LENGTH_MAX)
/** Taken as it is: two that differ in anything at all are two users. Space around it would be a trap. */
export const externalIdInput = line(EXTERNAL_ID_LENGTH_MAX).refine(
  (value) => value.trim() === value || value.trim() === '',
  'must not begin or end with space',
)
export const displayNameInput = line(NAME_LENGTH_MAX)
export const descriptionInput = text(DESCRIPTION_LENGTH_MAX, CONTROL_BUT_LINES)
export const noteInput = text(NOTE_LENGTH_MAX, CONTROL_BUT_LINES)
/** Any text: an ill-formed id is simply not found. Lone surrogates can't be kept apart, as no answer could repeat them. */
export const idInput = z.string({ error: 'must be an id' }).transform((id) => id.toWellFormed())
/** Somebody's external id, to the letter; any other text is nobody's. */
export const namedUserInput = text(EXTERNAL_ID_LENGTH_MAX, CONTROL)
export const instantInput = z.string({ error: 'must be an instant' })
export const loggingInput = z.object({ request: z.boolean(), response: z.boolean() })
export const slotInput = z.enum(['PRIMARY', 'SECONDARY'])
export const reasonInput = z.enum([
  'UNSPECIFIED',
  'KEY_COMPROMISE',
  'SUPERSEDED',
  'AFFILIATION_CHANGED',
  'PRIVILEGE_WITHDRAWN',
  'CESSATION_OF_OPERATION',
])

export const tagsInput = z
  .array(line(TAG_LENGTH_MAX), { error: 'must be a list of tags' })
  .max(TAGS_MAX, `must be at most ${TAGS_MAX} tags`)
  .refine(distinct, 'must not hold a tag twice')

export const permissionsInput = z
  .array(
    z
      .string()
      .refine((value) => isPermission(value, { wildcard: true }), 'must be a permission such as ads.read or ads.*'),
    { error: 'must be a list of permissions' },
  )
  .max(PERMISSIONS_MAX, `must be at most ${PERMISSIONS_MAX} permissions`)
  .refine(distinct, 'must not hold a permission twice')

export const policyIdsInput = z
  .array(idInput, { error: 'must be a list of ids' })
  .max(POLICIES_MAX, `must be at most ${POLICIES_MAX} policies`)
  .refine(distinct, 'must not hold a policy twice')

export const metadataInput = z
  .custom<Json>((value) => value !== undefined, 'must be a JSON value')
  .refine(isPlainJson, {
    error: `must be JSON of well-formed text without NUL, nested at most ${METADATA_DEPTH_MAX} deep`,
    // What is nested too deep may overflow the stack when it is written.
    abort: true,
  })
  .refine(
    (value) => Buffer.byteLength(JSON.stringify(value)) <= METADATA_BYTES_MAX,
    `must be at most ${METADATA_BYTES_MAX} bytes of JSON`,
  )

/** In no message: an issue says what is wrong, never with what. */
const ownSecretInput = z
  .string({ error: 'must be text' })
  .refine(
    isOwnSecret,
    'must be 16 to 256 visible ASCII characters without spaces, and not of the form of a generated secret',
  )

/** Absent: the default lifetime. Null: unlimited. */
export const newCodeInput = z.object({
  slot: slotInput.nullish(),
  description: descriptionInput.nullish(),
  expiresAt: instantInput.nullish(),
  secret: ownSecretInput.nullish(),
})

export const newCodesInput = z
  .array(newCodeInput)
  .max(CODES_MAX, `must be at most ${CODES_MAX} codes`)
  .superRefine((codes, issues) => {
    codes.forEach(({ slot }, index) => {
      if (slot && codes.findIndex((other) => other.slot === slot) < index)
        issues.addIssue({ code: 'custom', path: [index, 'slot'], message: 'must not be asked for twice' })
    })
  })

/** Of every mutation that takes an idempotency key. */
export const idempotent = {
  idempotencyKey: line(IDEMPOTENCY_KEY_LENGTH_MAX).nullish(),
}
/** Of every mutation of something that exists, beside. */
export const versioned = {
  ...idempotent,
  expectedVersion: z.number().int().nullish(),
}

function distinct(values: readonly string[]): boolean {
  return new Set(values).size === values.length
}

function isPlainJson(value: unknown, depth = 0): boolean {
  if (depth > METADATA_DEPTH_MAX) return false
  if (typeof value === 'string') return value.isWellFormed() && !value.includes('\0')
  if (typeof value === 'number') return Number.isFinite(value)
  if (value === null || typeof value === 'boolean') return true
  if (Array.isArray(value)) return value.every((item) => isPlainJson(item, depth + 1))
  if (typeof value !== 'object') return false
  return Object.entries(value).every(([name, item]) => isPlainJson(name) && isPlainJson(item, depth + 1))
}
