// What must not get into the access log: the secret that was presented. Whoever records a use can't be asked for it (that would
// be one more place for it to be), and from its digest it can't be found in a text. So whatever may be one is taken out: text
// of the shape of our secrets, credentials of HTTP, and the values of members that are named as such things are named.
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
