// The database can't be reached, or does not answer in time: no fault of the software, and over by itself. What is asked again a
// moment later may succeed.

/** Seconds that a client should wait before it asks again. */
export const RETRY_AFTER_S = 1

export class UnavailableError extends Error {
  override readonly name = 'UnavailableError'
}

// Of the operating system, and of PostgreSQL: connections refused, broken or one too many, memory or disk short; a statement or a
// transaction that took too long, waited for a lock too long or gave way to another; the server starts, stops or is a standby.
// https://www.postgresql.org/docs/current/errcodes-appendix.html
const CODES =
  /^(ECONNREFUSED|ECONNRESET|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN|ENOENT|08...|53...|40001|40P01|55P03|57014|57P0[1-35]|25006|25P0[34])$/
// Of pg and its pool, which give no codes.
const MESSAGES =
  /^(Connection terminated|timeout exceeded when trying to connect|timeout expired|Query read timeout|Client has encountered a connection error|(The )?client was closed)/i

/** Whether an error that came from the driver means that the database is out of reach. */
export function isUnavailable(error: unknown): boolean {
  if (error instanceof UnavailableError) return true
  if (!(error instanceof Error)) return false
  if ('code' in error && typeof error.code === 'string') return CODES.test(error.code)
  return MESSAGES.test(error.message)
}
