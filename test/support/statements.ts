// What something costs: the statements that are sent while it runs.
import pg from 'pg'
import { vi } from 'vitest'

export type Sent = {
  /** Absent where it is planned for its values each time. */
  readonly name?: string
  readonly text: string
  readonly values: readonly unknown[]
}

/** Of the feed, which looks and hints whenever it likes, and of a connection that has just been made. */
const NOT_OF_THE_WORK = /^\s*(WITH moved|SELECT set_config|LISTEN|SET DateStyle|SET client_connection)/

/** What `work` asks of the database, over whichever connection, beside the polls of the feed: what is not known yet, then. */
export async function statementsOf(work: () => Promise<unknown>): Promise<readonly Sent[]> {
  const query = vi.spyOn(pg.Client.prototype, 'query')
  try {
    await work()
    return query.mock.calls.map(sentBy).filter(({ text }) => !NOT_OF_THE_WORK.test(text))
  } finally {
    query.mockRestore()
  }
}

function sentBy([first, second]: readonly unknown[]): Sent {
  if (typeof first === 'string') return { text: first, values: Array.isArray(second) ? second : [] }
  return { values: [], ...(first as Omit<Sent, 'values'>) }
}
