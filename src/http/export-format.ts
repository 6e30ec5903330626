// How an exported event is written: as a line of JSON, or as a record of CSV (RFC 4180).

export type ToldEvent = {
  readonly position: string
  readonly id: string
  readonly occurredAt: string
  readonly type: string
  readonly summary: string
  readonly actor: { readonly kind: string; readonly actorId: string | null; readonly label: string }
  readonly credential: { readonly keyId: string; readonly codeId: string } | null
  readonly subjectId: string
  readonly subjectVersion: number
  readonly correlationId: string
  readonly accountId: string
  readonly schemaVersion: number
  readonly data: unknown
  /** Absent where they were not asked for. */
  readonly changes?: unknown
}

export type ExportFormat = {
  readonly contentType: string
  /** What the whole begins with. */
  readonly header: string
  line(event: ToldEvent): string
}

const CELLS: Readonly<Record<string, (event: ToldEvent) => string | number | null>> = {
  position: (event) => event.position,
  id: (event) => event.id,
  occurredAt: (event) => event.occurredAt,
  type: (event) => event.type,
  summary: (event) => event.summary,
  actorKind: (event) => event.actor.kind,
  actorId: (event) => event.actor.actorId,
  actorLabel: (event) => event.actor.label,
  credentialKeyId: (event) => event.credential?.keyId ?? null,
  credentialCodeId: (event) => event.credential?.codeId ?? null,
  subjectId: (event) => event.subjectId,
  subjectVersion: (event) => event.subjectVersion,
  correlationId: (event) => event.correlationId,
  accountId: (event) => event.accountId,
  schemaVersion: (event) => event.schemaVersion,
  data: (event) => jsonCell(event.data),
  changes: (event) => (event.changes === undefined ? null : jsonCell(event.changes)),
}

/**
 * What a spreadsheet would take for a formula, which can send away what stands beside it: signs of ASCII and full-width ones, at the
 * beginning of a cell, or of what programs make one of that separate cells by semicolons or tabs. An apostrophe there says that it is
 * none, and so one that is part of the value needs another.
 */
const FORMULA = /^(?:[\t\r\n]|\s*['=+\-@\uff1d\uff0b\uff0d\uff20])/
const FORMULA_WITHIN = /[;\t\r\n](?=[^\S\t\r\n]*['=+\-@\uff1d\uff0b\uff0d\uff20])/g
/** Of JSON, which has another way to write the semicolon, so that it stays as it is to those who parse it. */
const FORMULA_IN_JSON = /;(?=\s*['=+\-@\uff1d\uff0b\uff0d\uff20])/g
const NEEDS_QUOTES = /[",;\t\r\n]/

function jsonCell(value: unknown): string {
  return JSON.stringify(value).replaceAll(FORMULA_IN_JSON, '\\u003b')
}

export function csvRecord(cells: readonly (string | number | null)[]): string {
  return `${cells.map(csvCell).join(',')}\r\n`
}

function csvCell(value: string | number | null): string {
  if (value === null) return ''
  const told = String(value).replaceAll(FORMULA_WITHIN, "$&'")
  const text = FORMULA.test(told) ? `'${told}` : told
  return NEEDS_QUOTES.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

export const EXPORT_FORMATS = {
  ndjson: {
    contentType: 'application/x-ndjson; charset=utf-8',
    header: '',
    line: (event) => `${JSON.stringify(event)}\n`,
  },
  csv: {
    contentType: 'text/csv; charset=utf-8; header=present',
    header: csvRecord(Object.keys(CELLS)),
    line: (event) => csvRecord(Object.values(CELLS).map((cell) => cell(event))),
  },
} as const satisfies Readonly<Record<string, ExportFormat>>
