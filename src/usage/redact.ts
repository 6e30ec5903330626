// What must not get into the access log: the secret that was presented. Whoever records a use can't be asked for it: that would
// be one more place for it to be. So whatever may be one is taken out: text of the shape of our secrets, credentials of HTTP, and
// the values of members that are named as such things are named. For callers' own secrets see own-secrets.ts.
import type { Presentation } from '#domain/keyspace/presentation.ts'

/** What is put in the place of a value. */
export const REDACTED = '[redacted]'

/** Names of parameters and members that commonly hold credentials, in any case, beside those the keyspace itself names. */
const COMMON_NAMES =
  '(?:x[-_])?(?:api|access|secret|private|auth)[-_]?(?:key|token|secret)|(?:client|api|access)[-_]?secret|' +
  '(?:refresh|id|session|bearer)[-_]?token|key|token|secret|password|passwd|pwd|(?:proxy-)?authorization|auth|credentials?'

/** An underscore as it stands, in a URL or in JSON. */
const UNDERSCORE = String.raw`(?:_|%5[fF]|\\u005[fF])`
/** The hint stays, which helps nobody to guess the rest. At the end of a text, a secret may have been cut off. */
const GENERATED = new RegExp(`(${UNDERSCORE}[0-9A-Za-z]{10}${UNDERSCORE})(?:[0-9A-Za-z]{38,}|[0-9A-Za-z]+(?![^]))`, 'g')
const CREDENTIALS = /\b((?:Bearer|Basic)(?:[ \t]|%20|\+){1,4})[\w.~+/=%-]{8,}/gi

export type Redact = (text: string) => string

/** For the uses of keys that are presented in these places. In time that grows with the text's length only. */
export function redactorFor(presentations: readonly Presentation[]): Redact {
  const own = presentations.flatMap(({ name }) => [...new Set([name, encodeURIComponent(name)])].map(literally))
  const names = `(?:${[...own, COMMON_NAMES].join('|')})`
  const header = String.raw`[ \t]{0,8}(?:[\w-]{0,40}authorization|${names})[ \t]{0,8}:[ \t]*`
  const patterns = [
    // A line of a head, to its end; within a text of a program, to the end of that.
    new RegExp(String.raw`^(${header})[^\r\n]+`, 'gim'),
    new RegExp(String.raw`((?:["']|\\n)${header})[^"'\\\r\n]+`, 'gi'),
    // A member of JSON, and of JSON as text within JSON.
    new RegExp(String.raw`("${names}"\s{0,64}:\s{0,64}")[^"\\]*(?:\\[^][^"\\]*)*`, 'gi'),
    new RegExp(String.raw`(\\{1,8}"${names}\\{1,8}"\s{0,64}:\s{0,64}\\{1,8}")[^"\\]*`, 'gi'),
    new RegExp(String.raw`((?:^|[?&;\s"'])${names}(?:=|%3D))[^&;#\s"'<>]*`, 'gi'),
    CREDENTIALS,
    GENERATED,
  ]
  return (text) => patterns.reduce((redacted, pattern) => redacted.replace(pattern, `$1${REDACTED}`), text)
}

function literally(name: string): string {
  return name.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, String.raw`\$&`)
}

/**
 * Takes out a secret that is known, a caller's own too, in each way in which it is commonly written. Where it is still there in
 * another, which only a parser tells from the text around it, all of the text goes. Before anything else is redacted: what
 * takes out a part of a secret hides the rest.
 */
export function withoutSecret(text: string, secret: string): string {
  const redacted = writingsOf(secret).reduce((rest, writing) => rest.replaceAll(writing, REDACTED), text)
  return readingsOf(redacted).some((reading) => reading.includes(secret)) ? REDACTED : redacted
}

/** As it is, in JSON, in paths, queries and forms. */
function writingsOf(secret: string): readonly string[] {
  const encoders = [
    encodeURIComponent,
    encodeURI,
    (text: string) => new URLSearchParams([[text, '']]).toString().slice(0, -1),
  ]
  const quoted = JSON.stringify(secret).slice(1, -1)
  const encoded = [secret, quoted].flatMap((text) => encoders.map((encode) => encode(text)))
  const inLowerCase = encoded.map((text) => text.replace(/%../g, (byte) => byte.toLowerCase()))
  return [...new Set([secret, quoted, ...encoded, ...inLowerCase])]
}

/** One within another, a URL in a URL, JSON as text within JSON: nobody reads a key out of a deeper one. */
const DEPTH_MAX = 3

/** The text, and what parsers of URLs, forms and JSON make of it, once and more. Secrets are ASCII: bytes stand for characters. */
export function readingsOf(text: string): readonly string[] {
  const readings = new Set([text])
  for (let depth = 0; depth < DEPTH_MAX; depth += 1)
    for (const reading of [...readings]) readings.add(percentDecoded(reading)).add(unescaped(reading))
  return [...readings]
}

function percentDecoded(text: string): string {
  return text.replace(/%([0-9a-f]{2})/gi, (_all, hex: string) => characterOf(hex))
}

function unescaped(text: string): string {
  return text.replace(/\\(?:u([0-9a-f]{4})|(["\\/]))/gi, (_all, hex: string | undefined, itself = '') =>
    hex === undefined ? itself : characterOf(hex),
  )
}

function characterOf(hex: string): string {
  return String.fromCharCode(Number.parseInt(hex, 16))
}
