// One id for a request, in its answer, in every log line about it and, as the correlation id, in the events it caused.
import type { IncomingMessage } from 'node:http'
import { randomDigits } from '#secret/random.ts'
import { onlyValueOf } from './headers.ts'

/** Harmless in a header, a log and an event. */
const ACCEPTED = /^[A-Za-z0-9._-]{1,64}$/
/** 119 random bits, as in every other id. */
const RANDOM_DIGITS = 20

/** The client's own X-Request-Id where there is one and it is well-formed, else a new one. */
export function requestIdOf(request: IncomingMessage): string {
  const given = onlyValueOf(request, 'x-request-id')
  return given != null && ACCEPTED.test(given) ? given : newRequestId()
}

export function newRequestId(): string {
  return `req_${randomDigits(RANDOM_DIGITS)}`
}
