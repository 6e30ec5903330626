// The GraphiQL page, for people who explore the API in a browser. They type a credential into it, so it may send nothing to
// anyone but us, and can't be put into another site's frame.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { renderGraphiQL } from 'graphql-yoga'
import { send } from './answer.ts'

const DEFAULT_QUERY = `# Paste a credential into the headers below: { "Authorization": "Bearer root_…" }
query {
  viewer {
    kind
    permissions
  }
}
`

const TITLE = 'Keyledger'

/** Where Yoga's page loads its scripts, styles and fonts from. */
const ASSETS = 'https://unpkg.com/@graphql-yoga/'

// Inline: the page's own two scripts, and styles that its editor makes. Blobs: the editor's workers.
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  `script-src 'unsafe-inline' blob: ${ASSETS}`,
  `style-src 'unsafe-inline' ${ASSETS}`,
  `font-src data: ${ASSETS}`,
  "img-src 'self' data:",
  `connect-src 'self' ${ASSETS}`,
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

export function graphiqlPage(endpoint: string): string {
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
