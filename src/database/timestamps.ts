// PostgreSQL's text form of timestamptz into RFC 3339 in UTC, without going through Date where that would lose microseconds.

const UTC_TEXT = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?\+00$/

/** With milliseconds, or all six digits where the value has them. Other offsets are converted; `infinity` stays as it is. */
export function parseTimestamp(text: string): string {
  const match = UTC_TEXT.exec(text)
  if (match !== null) {
    const [, day, time, fraction = ''] = match
    return `${day}T${time}.${fraction.padEnd(fraction.length > 3 ? 6 : 3, '0')}Z`
  }
  if (text.endsWith('infinity')) return text
  const micros = /\.\d{3}(\d{1,3})/.exec(text)?.[1]
  const milliseconds = new Date(text.replace(' ', 'T').replace(/([+-]\d\d)$/, '$1:00')).toISOString()
  return micros === undefined ? milliseconds : `${milliseconds.slice(0, -1)}${micros.padEnd(3, '0')}Z`
}
