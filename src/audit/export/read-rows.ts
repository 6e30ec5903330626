// Rows of any number out of a transaction, a page at a time, with the next page on its way while one is written.
import { statement } from '#database/connect.ts'
import type { Run } from '#database/copy.ts'

/** Bounds memory: two pages are held, and an event of the largest size is some 200 kB. */
const PAGE_ROWS = 256

/** `query` takes no parameters; one is read at a time. */
export async function* readRows<Row>(run: Run, query: string): AsyncGenerator<Row> {
  await run(statement(`DECLARE exporting NO SCROLL CURSOR FOR ${query}`, []))
  let next = fetchPage<Row>(run)
  for (;;) {
    const page = await next
    if (page.length === 0) break
    next = fetchPage<Row>(run)
    yield* page
  }
  await run(statement('CLOSE exporting', []))
}

function fetchPage<Row>(run: Run): Promise<readonly Row[]> {
  const page = run(statement<Row>(`FETCH ${PAGE_ROWS} FROM exporting`, []))
  // Whoever reads stops at what failed before it; nobody waits for this one then.
  page.catch(() => undefined)
  return page
}

/** SQL: on one line, as RFC 4648 has it. */
export function base64Of(column: string): string {
  return `translate(encode(${column}, 'base64'), E'\\n', '')`
}
