// What the past costs: a key as it was, and a verdict explained, of a key with thousands of events and of ordinary ones, each at a
// random moment of its life.
import { send, statement } from '#database/connect.ts'
import { explainVerification } from '#history/explain-verification.ts'
import { readExposure } from '#history/exposure.ts'
import { momentAt } from '#history/moment.ts'
import { readPastStreams } from '#history/past-streams.ts'
import { positionAt } from '#queries/past-loaders.ts'
import type { Reader } from '#queries/reader.ts'
import type { Installation } from './installation.ts'
import type { SeededHistory } from './seed-history.ts'
import { figure, median, percentile, table } from './statistics.ts'

type Life = { readonly keyId: string; readonly codeId: string; readonly from: number; readonly to: number }

export async function measurePast(
  { database, services }: Installation,
  { account, longKeyId, longKeyEvents }: SeededHistory,
  rounds: number,
): Promise<void> {
  const { accountId, shard } = account
  const { owner, serving } = database
  const lives = await send(owner.pool, statement<Life>(LIVES, [shard, accountId, longKeyId]))
  const long = lives.find(({ keyId }) => keyId === longKeyId)
  const ordinary = lives.filter(({ keyId }) => keyId !== longKeyId)
  if (long === undefined || ordinary.length === 0) throw new Error('there are keys with codes')
  const within = ({ from, to }: Life) => new Date(from + (to - from) * Math.random()).toISOString()
  const end = ({ to }: Life) => new Date(to + 1).toISOString()
  const any = () => ordinary[Math.floor(Math.random() * ordinary.length)] as Life
  const at = (life: Life, instant: string) => readPastStreams(serving, [life.keyId], momentAt(instant), accountId)
  const explain = (life: Life, instant: string) => {
    const reader: Reader = { database: serving, keyring: services.keyring, now: instant, memberId: null }
    const positionOf = async (id: string) => (await positionAt(reader, id)) ?? 0n
    const then = { at: instant, isNow: false, position: null, positionOf }
    return explainVerification(
      { database: serving, keyring: services.keyring },
      { kind: 'ROOT' },
      { codeId: life.codeId },
      then,
    )
  }
  const expose = (life: Life) => {
    const exposed = { codeId: life.codeId, keyId: life.keyId, accountId }
    return readExposure(serving, exposed, { since: new Date(life.from).toISOString(), until: end(life) })
  }
  const works: Readonly<Record<string, () => Promise<unknown>>> = {
    [BASELINE]: () => send(serving.pool, statement(ALL_EVENTS, [shard, longKeyId])),
    '`at`, ordinary key': () => anywhere(any(), at),
    [`\`at\`, key of ${longKeyEvents.toLocaleString('en')} events, any moment`]: () => anywhere(long, at),
    [`\`at\`, key of ${longKeyEvents.toLocaleString('en')} events, its last`]: () => at(long, end(long)),
    'explainVerification, ordinary key': () => anywhere(any(), explain),
    [`explainVerification, key of ${longKeyEvents.toLocaleString('en')} events, its last`]: () =>
      explain(long, end(long)),
    [`exposure of its first code, key of ${longKeyEvents.toLocaleString('en')} events`]: () => expose(long),
  }
  function anywhere(life: Life, work: (one: Life, instant: string) => Promise<unknown>): Promise<unknown> {
    return work(life, within(life))
  }
  const times = new Map<string, number[]>(Object.keys(works).map((name) => [name, []]))
  for (let round = 0; round < rounds; round++)
    for (const [name, work] of Object.entries(works)) {
      const began = performance.now()
      await work()
      times.get(name)?.push(performance.now() - began)
    }
  const baseline = median(times.get(BASELINE) ?? [])
  const rows = [...times].map(([name, ms]) => {
    const p50 = percentile(ms, 0.5)
    return [name, figure(p50), figure(percentile(ms, 0.99)), (p50 / baseline).toFixed(2)]
  })
  console.log(
    `\n${rounds} rounds, turn by turn\n\n${table(['the past', 'p50 ms', 'p99 ms', 'p50 to baseline'], rows, 1)}`,
  )
}

/** The longest and a thousand others, each with its first code and the time that it has lived, in milliseconds. */
const LIVES = `
  SELECT k.key_id AS "keyId", c.code_id AS "codeId", (extract(epoch FROM e.first) * 1000)::float AS from,
         (extract(epoch FROM e.last) * 1000)::float AS to
    FROM (SELECT shard, key_id FROM state.key WHERE shard = $1 AND key_id = $3
           UNION
          (SELECT shard, key_id FROM state.key WHERE shard = $1 AND account_id = $2 ORDER BY key_id LIMIT 1000)) AS k
   CROSS JOIN LATERAL (SELECT code_id FROM state.code
                        WHERE code.shard = k.shard AND code.key_id = k.key_id ORDER BY ordinal LIMIT 1) AS c
   CROSS JOIN LATERAL (SELECT min(occurred_at) AS first, max(occurred_at) AS last FROM log.event
                        WHERE event.shard = k.shard AND event.stream_id = k.key_id) AS e`

/** No way of reading its past can be faster. */
const BASELINE = 'all events of the longest key, read'
const ALL_EVENTS = 'SELECT data FROM log.event WHERE shard = $1 AND stream_id = $2 ORDER BY version'
