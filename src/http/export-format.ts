// How an exported event is written: as a line of JSON, or as a record of CSV (RFC 4180).

export type ToldEvent = {
  readonly position: string
  readonly id: string
  readonly occurredAt: string
  readonly type: string
  readonly summary: string
  readonly actor: { readonly kind: string; readonly actorId: string | null; readonly label: string }
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
  subjectId: (event) => event.subjectId,
  subjectVersion: (event) => event.subjectVersion,
  correlationId: (event) => event.correlationId,
  accountId: (event) => event.accountId,
  schemaVersion: (event) => event.schemaVersion,
  data: (event) => JSON.stringify(event.data),
  changes: (event) => (event.changes === undefined ? null : JSON.stringify(event.changes)),
}

/** What a spreadsheet would take for a formula, which can send away what stands beside it. */
const FORMULA = /^\s*[=+\-@]|^[\t\r\n]/
const NEEDS_QUOTES = /[",\r\n]/

export function csvRecord(cells: readonly (string | number | null)[]): string {
  return `${cells.map(csvCell).join(',')}\r\n`
}

function csvCell(value: string | number | null): string {
  if (value === null) return ''
  const text = FORMULA.test(String(value)) ? `'${value}` : String(value)
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
