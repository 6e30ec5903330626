// One operation may wait for several things: the feed, what its caller is, what it asks about. All of that together takes no longer
// than an answer may take, however slow each of them is.
import { UnavailableError } from '#database/unavailable.ts'

export type Deadline = {
  /** Counted from the first time that this is asked; not above 0 where no more may be waited for. */
  leftMs(): number
}

export function deadlineIn(withinMs: number): Deadline {
  let endsAt: number | undefined
  return {
    leftMs() {
      const now = performance.now()
      endsAt ??= now + withinMs
      return endsAt - now
    },
  }
}

/**
 * What is asked for, or an UnavailableError when the time is over: at once where it is already, and then nothing is asked. What others
 * wait for, too, goes on for them.
 */
export async function before<Answer>(deadline: Deadline, ask: () => Promise<Answer>): Promise<Answer> {
  const leftMs = deadline.leftMs()
  if (leftMs <= 0) throw tooLate()
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    // After a turn that took long the answer may be there, and only not read yet: that comes between timers and this.
    timer = setTimeout(() => setImmediate(() => reject(tooLate())), leftMs)
  })
  try {
    return await Promise.race([ask(), late])
  } finally {
    clearTimeout(timer)
  }
}

export function tooLate(): UnavailableError {
  return new UnavailableError('It can not be known in time')
}
