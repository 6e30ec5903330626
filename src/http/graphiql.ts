// The GraphiQL page, for people who explore the API in a browser. They type a credential into it, so it loads nothing
// from, and sends nothing to, anyone but us, and can't be put into another site's frame.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { send } from './answer.ts'

const DEFAULT_QUERY = `# Paste a credential into the headers below: { "Authorization": "Bearer root_…" }
# Or a token of your identity provider: { "Authorization": "Bearer eyJ…", "X-Keyledger-Account": "acct_…" }
query {
  viewer {
    kind
    permissions
  }
}
`

const TITLE = 'Keyledger'

// Inline: the page carries its scripts and styles, and its editor makes more. Blobs: the editor's workers.
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'unsafe-inline' blob:",
  "style-src 'unsafe-inline'",
  'font-src data:',
  "img-src 'self' data:",
  "connect-src 'self'",
  'worker-src blob:',
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

const HEADERS = {
  'content-type': 'text/html; charset=utf-8',
  'cache-control': 'no-store',
  'content-security-policy': CONTENT_SECURITY_POLICY,
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
}

/** Some 10 MB of script, hence loaded when the first person wants it. */
export async function graphiqlPage(endpoint: string): Promise<string> {
  const { renderGraphiQL } = await import('@graphql-yoga/render-graphiql')
  const page = renderGraphiQL({
    title: TITLE,
    endpoint,
    defaultQuery: DEFAULT_QUERY,
    defaultEditorToolsVisibility: 'headers',
    // A credential typed there is gone with the tab.
    shouldPersistHeaders: false,
  })
  // Yoga fills in the first place only.
  return page.replaceAll('__TITLE__', TITLE)
}

/** A browser that was pointed at the endpoint. */
export function wantsGraphiql({ method, headers }: IncomingMessage): boolean {
  return method === 'GET' && (headers.accept ?? '').includes('text/html')
}

export function sendGraphiql(response: ServerResponse, page: string): void {
  send(response, 200, HEADERS, page)
}
