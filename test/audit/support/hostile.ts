// Exports that somebody wrote to mislead or to stop whoever reads them, beside what a server could ever have written.
import { mkdirSync, renameSync, rmSync, symlinkSync } from 'node:fs'
import path from 'node:path'
import { soundWorld } from './stories.ts'
import { exportOf, type Files, HOST, type JsonRow } from './world.ts'

export type Hostile = { readonly name: string; readonly files: () => Files; readonly found: readonly string[] }

const EVENT = 'evt_0300000000000000000004'
const UNSEALED = 'evt_0300000000000000000020'
const DEEP = 100_000
const UNREADABLE = ['unreadable: export.json']
const CHANGED = [`event-changed: ${EVENT}`]

/** One file's text is another one. */
function altered(file: string, alter: (text: string) => string): () => Files {
  return () => {
    const files = exportOf(soundWorld())
    files.set(file, alter(String(files.get(file))))
    return files
  }
}

/** export.json with another value in a place of it. */
function said(place: readonly (string | number)[], json: string): () => Files {
  return altered('export.json', (text) => {
    const whole: unknown = JSON.parse(text)
    const parent = place.slice(0, -1).reduce((value, name) => (value as JsonRow)[name], whole)
    ;(parent as JsonRow)[String(place.at(-1))] = 'HERE'
    return JSON.stringify(whole).replace('"HERE"', json)
  })
}

/** A row of NDJSON, its first by default, that is another one. */
function row(file: string, alter: (row: JsonRow) => void, holds = ''): () => Files {
  return altered(file, (text) => {
    const lines = text.split('\n')
    const at = lines.findIndex((line) => line.includes(holds))
    const parsed = JSON.parse(lines[at]!) as JsonRow
    alter(parsed)
    lines[at] = JSON.stringify(parsed)
    return lines.join('\n')
  })
}

const event = (alter: (row: JsonRow) => void) => row('events/3.ndjson', alter, EVENT)
const body = (members: JsonRow) =>
  event((one) => {
    const before = JSON.parse(String(Buffer.from(String(one.body), 'base64'))) as JsonRow
    one.body = Buffer.from(JSON.stringify({ ...before, ...members })).toString('base64')
  })

/** Both the database and the note say that the log is as large. */
function sized(size: number): () => Files {
  return () => {
    const files = said(['logs', 0, 'size'], String(size))()
    const note = String(files.get('audit/1/checkpoint')).split('\n')
    return files.set('audit/1/checkpoint', note.with(1, String(size)).join('\n'))
  }
}

/** A log that only a row of audit.log tells of. */
function withRow(size: number): () => Files {
  return altered('export.json', (text) => {
    const whole = JSON.parse(text) as { logs: JsonRow[] }
    whole.logs.push({ ...whole.logs[0], number: 7, origin: `${HOST}/7`, size })
    return JSON.stringify(whole)
  })
}

const SIZED = ['checkpoint: audit/1/checkpoint', 'signature: audit/1/checkpoint']
const SIZES = [100_000, 10_000_000, 1_000_000_000, 9_000_000_000_000_000, Number.MAX_SAFE_INTEGER]

export const hostile: readonly Hostile[] = [
  ...SIZES.map((size) => ({
    name: `a checkpoint of ${size} entries`,
    files: sized(size),
    // That the export has no such tiles, and that the last of the checkpoints that were kept is another one.
    found: ['checkpoint: audit/1/checkpoint', ...SIZED],
  })),
  ...SIZES.map((size) => ({
    name: `a row of audit.log with ${size} entries`,
    files: withRow(size),
    found: [
      ...['checkpoint: audit/7/checkpoint', 'checkpoint: audit/7/checkpoint', 'root: audit/7/checkpoint'],
      ...['former-log: audit/7 leaf 0', 'former-log: export.json'],
    ],
  })),
  ...['events/03.ndjson', 'events/-0.ndjson', 'streams/1e3.ndjson', 'state/key/9999999999999999.ndjson'].map(
    (file) => ({
      name: `the file ${file}`,
      files: () => exportOf(soundWorld()).set(file, ''),
      found: [`unreadable: ${file}`],
    }),
  ),
  {
    name: 'an event among those of another shard',
    files: () => {
      const files = exportOf(soundWorld())
      const lines = String(files.get('events/3.ndjson')).split('\n')
      return files.set('events/8.ndjson', `${lines.find((one) => one.includes(UNSEALED))}\n`)
    },
    found: [`event-inserted: ${UNSEALED}`],
  },
  {
    name: 'personal data of no shard',
    files: altered('personal.ndjson', (text) => `${text}{"shard":"3","user_id":"usr_x","key":true}\n`),
    found: ['personal: personal.ndjson'],
  },
  { name: 'the size Infinity', files: said(['logs', 0, 'size'], 'Infinity'), found: UNREADABLE },
  { name: 'the size 1e999', files: said(['logs', 0, 'size'], '1e999'), found: UNREADABLE },
  { name: 'a size of digits', files: said(['logs', 0, 'size'], '"19"'), found: UNREADABLE },
  { name: 'a size of a list', files: said(['logs', 0, 'size'], '[19]'), found: UNREADABLE },
  { name: 'the size 19.0, which is 19', files: said(['logs', 0, 'size'], '19.0'), found: [] },
  { name: 'a number of -1', files: said(['logs', 0, 'number'], '-1'), found: UNREADABLE },
  { name: 'the log true', files: said(['log'], 'true'), found: UNREADABLE },
  { name: 'shards in a list', files: said(['shards'], '[{"head":1,"lastEventId":"a"}]'), found: UNREADABLE },
  { name: 'a shard of 20 digits', files: said(['shards', '9'.repeat(20)], '{}'), found: UNREADABLE },
  { name: 'the head of a shard that is negative', files: said(['shards', '3', 'head'], '-5'), found: UNREADABLE },
  { name: 'deep brackets', files: altered('export.json', () => '['.repeat(DEEP)), found: UNREADABLE },
  {
    name: 'deep brackets that are closed',
    files: said(['deep'], `${'['.repeat(DEEP)}${']'.repeat(DEEP)}`),
    found: UNREADABLE,
  },
  { name: 'brackets in a string', files: said(['deep'], `"${'['.repeat(DEEP)}\\""`), found: [] },
  {
    name: 'a body of deep brackets',
    files: event((one) => void Object.assign(one, { body: Buffer.from('['.repeat(DEEP)).toString('base64') })),
    found: CHANGED,
  },
  {
    name: 'data and a body that are equally deep',
    files: altered('events/3.ndjson', (text) => {
      const lines = text.split('\n')
      const at = lines.findIndex((line) => line.includes(EVENT))
      const one = JSON.parse(lines[at]!) as JsonRow
      const deep = `${'['.repeat(20_000)}${']'.repeat(20_000)}`
      const said = String(Buffer.from(String(one.body), 'base64')).replace(/"data":\{.*?\}/, `"data":${deep}`)
      const told = JSON.stringify({ ...one, data: 'HERE', body: Buffer.from(said).toString('base64') })
      return lines.with(at, told.replace('"HERE"', deep)).join('\n')
    }),
    found: ['unreadable: events/3.ndjson', 'event-missing: shard 3, position 3', 'event-missing: audit/1 leaf 4'],
  },
  {
    name: 'a body that is no base64',
    files: event((one) => {
      one.body = '!!!a'
    }),
    found: CHANGED,
  },
  {
    name: 'a body with a space',
    files: event((one) => {
      one.body = `${String(one.body)} `
    }),
    found: CHANGED,
  },
  {
    name: 'a MAC that is no base64',
    files: event((one) => {
      one.mac = 'é'
    }),
    found: CHANGED,
  },
  { name: 'a body whose stream is an object', files: body({ streamId: {} }), found: CHANGED },
  { name: 'a body whose stream is a list', files: body({ streamId: [1], eventId: {} }), found: CHANGED },
  { name: 'a body of members of any type', files: body({ actor: [], personal: [1], version: null }), found: CHANGED },
  {
    name: 'a note with half a character',
    files: row('audit/1/checkpoints.ndjson', (one) => {
      one.note = String(one.note).replace('\n', '\ud800\n')
    }),
    found: ['signature: audit/1 checkpoint 1', 'checkpoint: audit/1 checkpoint 1'],
  },
  ...[true, -1, 1.5, 1e30, '1'].map((size) => ({
    name: `a checkpoint whose size is ${JSON.stringify(size)}`,
    files: row('audit/1/checkpoints.ndjson', (one) => {
      one.size = size
    }),
    found: ['unreadable: audit/1/checkpoints.ndjson'],
  })),
  {
    name: 'a byte order mark before a checkpoint',
    files: altered('audit/1/checkpoint', (text) => `\ufeff${text}`),
    found: ['checkpoint: audit/1/checkpoint', 'signature: audit/1/checkpoint'],
  },
]

/** What lies in a folder that was written, and is no file of it. */
export const special: readonly { readonly name: string; place(folder: string): void; readonly file: string }[] = [
  {
    name: 'a link to a device',
    file: 'accounts.ndjson',
    place(folder) {
      rmSync(path.join(folder, 'accounts.ndjson'))
      symlinkSync('/dev/zero', path.join(folder, 'accounts.ndjson'))
    },
  },
  {
    name: 'a link to a file beside the export',
    file: 'export.json',
    place(folder) {
      renameSync(path.join(folder, 'export.json'), path.join(folder, '../outside.json'))
      symlinkSync('../outside.json', path.join(folder, 'export.json'))
    },
  },
  {
    name: 'a folder that is a link',
    file: 'events/3.ndjson',
    place(folder) {
      renameSync(path.join(folder, 'events'), path.join(folder, '../events'))
      symlinkSync('../events', path.join(folder, 'events'))
    },
  },
  {
    name: 'a folder',
    file: 'accounts.ndjson',
    place(folder) {
      rmSync(path.join(folder, 'accounts.ndjson'))
      mkdirSync(path.join(folder, 'accounts.ndjson'))
    },
  },
  {
    name: 'a manifest that is a link',
    file: 'manifest.sha256',
    place(folder) {
      renameSync(path.join(folder, 'manifest.sha256'), path.join(folder, '../manifest'))
      symlinkSync('../manifest', path.join(folder, 'manifest.sha256'))
    },
  },
]
