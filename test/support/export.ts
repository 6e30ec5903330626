// A client of exports over a bare socket's pace: it reads when it is told to, and tells a clean end from a broken one.
import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { send } from '#database/connect.ts'
import { knownShardOf } from '#domain/ids.ts'
import { append } from '#log/append.ts'
import { newId, newSalt } from '#secret/ids.ts'
import type { TestApp } from './app.ts'

export type Exported = {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly text: string
  /** The whole answer came, by its own account. */
  readonly isWhole: boolean
}

/** Resolves with the answer when its head has come; nothing of its body is read yet. */
export async function openExport(
  app: Pick<TestApp, 'origin' | 'rootKey'>,
  path: string,
  credential: string | null = app.rootKey,
): Promise<IncomingMessage> {
  const asked = request(`${app.origin}${path}`, {
    agent: false,
    headers: credential === null ? {} : { authorization: `Bearer ${credential}` },
  })
  asked.end()
  const [response] = (await once(asked, 'response')) as [IncomingMessage]
  asked.on('error', () => undefined)
  return response
}

/** Reads to the end, or until `enough` of the text has come. */
export async function readExport(
  response: IncomingMessage,
  enough: (text: string) => boolean = () => false,
): Promise<Exported> {
  let text = ''
  response.setEncoding('utf8')
  try {
    for await (const chunk of response) {
      text += chunk
      if (enough(text)) break
    }
  } catch {
    // Broken off: `complete` says so.
  }
  return { status: response.statusCode ?? 0, headers: response.headers, text, isWhole: response.complete }
}

export async function exportOf(...asked: Parameters<typeof openExport>): Promise<Exported> {
  return readExport(await openExport(...asked))
}

/** Positions of the lines that came whole. */
export function positionsIn(text: string): readonly number[] {
  const lines = text.split('\n').slice(0, -1)
  return lines.map((line) => Number((JSON.parse(line) as { position: string }).position))
}

/** Appends updates of a key, as many and with descriptions as long as is wanted, past its state. */
export async function appendUpdates(
  app: Pick<TestApp, 'database' | 'keyring'>,
  key: { readonly accountId: string; readonly keyId: string },
  count: number,
  length: number,
): Promise<void> {
  const shard = knownShardOf(key.keyId)
  const { rows } = await app.database.owner.pool.query<{ version: number }>(
    'SELECT version FROM log.stream WHERE stream_id = $1',
    [key.keyId],
  )
  let version = rows[0]?.version ?? 0
  for (let left = count; left > 0; left -= 200) {
    // One for all that is appended together.
    const decidedAt = new Date().toISOString()
    const bodies = Array.from({ length: Math.min(left, 200) }, () => ({
      eventId: newId('evt', shard),
      accountId: key.accountId,
      streamId: key.keyId,
      streamKind: 'key' as const,
      version: ++version,
      type: 'key.updated' as const,
      schemaVersion: 1,
      actor: { kind: 'ROOT' as const, id: null },
      credential: null,
      correlationId: 'bulk',
      decidedAt,
      data: { description: String(version).padEnd(length, '.') },
      salt: newSalt(),
      personal: {},
    }))
    await send(app.database.owner.pool, append(app.keyring, shard, bodies))
  }
}
