// The bytes of a leaf: canonical JSON around the very bytes of the body, and read back as they were.
import canonicalize from 'canonicalize'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { eventEntry, type LogEntry, logEntry, readEntry, type SealedColumns } from '#audit/entry.ts'

const columns: SealedColumns = {
  shard: 3,
  shardPosition: 40n,
  position: 12n,
  occurredAt: '2026-03-01T09:30:00.000000Z',
  mac: Buffer.alloc(32, 7),
  macSecretId: 'k1',
  body: Buffer.from('{"accountId":"acc_1","type":"key.created"}'),
}
const opened: LogEntry = {
  kind: 'opened',
  at: '2026-03-01T09:30:00.000Z',
  origin: 'keys.example.com/audit/2',
  keys: ['keys.example.com/audit/2+00000000+AAAA'],
  continues: { note: 'note\n', anchored: { size: 5, root: Buffer.alloc(32, 9) }, reason: 'restored from a backup' },
}

const anyColumns: fc.Arbitrary<SealedColumns> = fc.record({
  shard: fc.integer({ min: 0, max: 3843 }),
  shardPosition: fc.bigInt({ min: 1n, max: 2n ** 53n - 1n }),
  position: fc.bigInt({ min: 1n, max: 2n ** 53n - 1n }),
  occurredAt: fc.constantFrom('2026-03-01T09:30:00.000000Z', '2031-12-31T23:59:59.999999Z'),
  mac: fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes)),
  macSecretId: fc.stringMatching(/^[a-z0-9-]{1,32}$/),
  body: fc.json().map((text) => Buffer.from(canonicalize({ data: JSON.parse(text) as unknown })!)),
})

describe('the entry of an event', () => {
  test('is its body in a frame, byte for byte', () => {
    expect(eventEntry(columns).toString()).toBe(
      '{"body":{"accountId":"acc_1","type":"key.created"},"mac":"BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=","macSecretId":"k1",' +
        '"occurredAt":"2026-03-01T09:30:00.000000Z","position":12,"shard":3,"shardPosition":40,"v":1}',
    )
  })

  test('is what canonical JSON would make of all of it', () => {
    fc.assert(
      fc.property(anyColumns, (any) => {
        const text = eventEntry(any).toString()
        expect(canonicalize(JSON.parse(text))).toBe(text)
      }),
    )
  })

  test('is read as it was made', () => {
    fc.assert(
      fc.property(anyColumns, (any) => {
        expect(readEntry(eventEntry(any))).toEqual({ kind: 'event', ...any })
      }),
    )
  })

  test('is read as it was made when its body looks like the end of an entry', () => {
    const body = Buffer.from(canonicalize({ data: { text: eventEntry(columns).toString() }, ...frameOf(columns) })!)
    expect(readEntry(eventEntry({ ...columns, body }))).toEqual({ kind: 'event', ...columns, body })
  })

  test('differs whatever column differs', () => {
    const others: Partial<SealedColumns>[] = [
      { shard: 4 },
      { shardPosition: 41n },
      { position: 13n },
      { occurredAt: '2026-03-01T09:30:00.000001Z' },
      { mac: Buffer.alloc(32, 8) },
      { macSecretId: 'k2' },
      { body: Buffer.from('{"accountId":"acc_1","type":"key.deleted"}') },
    ]
    const entries = [{}, ...others].map((other) => eventEntry({ ...columns, ...other }).toString())
    expect(new Set(entries).size).toBe(entries.length)
  })

  test('is never longer than a bundle can say', () => {
    expect(eventEntry({ ...columns, body: Buffer.alloc(60_000, 32) }).length).toBeLessThan(65_536)
    expect(() => eventEntry({ ...columns, body: Buffer.alloc(65_400, 32) })).toThrow('two bytes')
  })
})

describe('an entry of the log itself', () => {
  const kinds: LogEntry[] = [
    opened,
    { ...opened, continues: null },
    { ...opened, continues: { note: '', anchored: null, reason: '' } },
    { kind: 'keys', at: '2026-03-01T09:30:00.000Z', keys: ['a+1+b', 'c+2+d'] },
  ]

  test.each(kinds)('is canonical JSON, and read as it was made', (entry) => {
    const bytes = logEntry(entry)
    expect(canonicalize(JSON.parse(bytes.toString()))).toBe(bytes.toString())
    expect(readEntry(bytes)).toEqual({ kind: 'log', entry })
  })

  test('says what the log is', () => {
    expect(logEntry({ ...opened, continues: null }).toString()).toBe(
      '{"log":{"at":"2026-03-01T09:30:00.000Z","continues":null,"keys":["keys.example.com/audit/2+00000000+AAAA"],' +
        '"kind":"opened","origin":"keys.example.com/audit/2"},"v":1}',
    )
  })
})

describe('bytes that are no entry', () => {
  test.each([
    '',
    '{}',
    'null',
    '{"log":null,"v":1}',
    '{"log":{"at":"x","keys":[1],"kind":"keys"},"v":1}',
    '{"log":{"at":"x","keys":[],"kind":"closed"},"v":1}',
    '{"log":{"at":"x","keys":[],"kind":"keys"},"v":2}',
    '{"log":{"at":"x","keys":[],"kind":"keys","more":1},"v":1}',
    '{"v":1,"log":{"at":"x","keys":[],"kind":"keys"}}',
    '{"body":{}}',
    eventEntry(columns).toString().replace('"v":1}', '"v":2}'),
    eventEntry(columns).toString().replace('"shard":3', '"shard":03'),
    eventEntry(columns).toString().replace('BwcHBwc=', 'BwcHBwd='),
    `${eventEntry(columns).toString()}\n`,
  ])('%j is not read', (text) => {
    expect(readEntry(Buffer.from(text))).toBeUndefined()
  })

  test('never throw, whatever they are', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.boolean(), (bytes, isFramed) => {
        const entry = isFramed ? Buffer.concat([Buffer.from('{"body":'), bytes]) : Buffer.from(bytes)
        expect(readEntry(entry)).toBeUndefined()
      }),
    )
  })
})

function frameOf({ shard, position, mac, macSecretId }: SealedColumns): object {
  return { mac: mac.toString('base64'), macSecretId, position: Number(position), shard, v: 1 }
}
