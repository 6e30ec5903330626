// How what is not remembered is read: in batches, and never many at once, however many ask. All finders share one connection, over
// which the database does one thing after the other: who sends it a statement for each request has soon more waiting than it may.
import DataLoader from 'dataloader'
import { UnavailableError } from '#database/unavailable.ts'
import { before, type Deadline, tooLate } from './deadline.ts'

export type Loader<Wanted, Found> = {
  /** Read after this was called. Rejects with UnavailableError. */
  load(wanted: Wanted, deadline: Deadline): Promise<Found>
}

/** Questions, those about the same among them. */
const BATCH_MAX = 200
/** One that the database works on, and one on its way there. More would wait there, instead of becoming one batch here. */
const UNDER_WAY_MAX = 2
/** Fifty batches: later ones would hardly be read in time. */
const WAITING_MAX = 10_000

/**
 * `read` gives what it finds, in order. Those of one key ask for the same, and are one where they are read together. A batch is sent
 * after all who share it have asked, hence have caught up, and nothing is remembered here.
 */
export function createLoader<Wanted extends { readonly key: string }, Found>(
  read: (wanted: readonly Wanted[]) => Promise<readonly Found[]>,
): Loader<Wanted, Found> {
  type Asked = { readonly wanted: Wanted; readonly deadline: Deadline }
  const turns = createTurns()
  let waiting = 0
  const loader = new DataLoader<Asked, Found>(
    async (asked) => {
      waiting -= asked.length
      try {
        return await readOnce(asked)
      } finally {
        turns.over()
      }
    },
    { cache: false, maxBatchSize: BATCH_MAX, batchScheduleFn: turns.take },
  )

  async function readOnce(asked: readonly Asked[]): Promise<readonly (Found | Error)[]> {
    // Nothing is read that nobody waits for any more.
    const inTime = asked.filter(({ deadline }) => deadline.leftMs() > 0)
    const wanted = [...new Map(inTime.map((one) => [one.wanted.key, one.wanted])).values()]
    const found = wanted.length === 0 ? [] : await read(wanted)
    const places = new Map(wanted.map(({ key }, index) => [key, index]))
    return asked.map((one) => {
      const place = places.get(one.wanted.key)
      // What is found may be undefined: that there is nothing.
      return place === undefined ? tooLate() : (found[place] as Found)
    })
  }

  return {
    load: (wanted, deadline) =>
      before(deadline, async () => {
        if (waiting >= WAITING_MAX) throw new UnavailableError('Too much is to be read')
        waiting += 1
        return loader.load({ wanted, deadline })
      }),
  }
}

/** A batch is open to those who ask until it is sent: in the next turn of the event loop, or when one before it is over. */
function createTurns() {
  const queue: (() => void)[] = []
  let underWay = 0
  return {
    take(send: () => void): void {
      if (underWay >= UNDER_WAY_MAX) {
        queue.push(send)
        return
      }
      underWay += 1
      setImmediate(send)
    },
    over(): void {
      const next = queue.shift()
      if (next === undefined) underWay -= 1
      else setImmediate(next)
    },
  }
}
