// better-auth's verifyApiKey behind node:http, as its documentation sets it up: tables of its own in a database of its own, rate limits off.
// Prints the one key that it makes through its own API, which the benchmark copies, and where it listens.
import { createServer } from 'node:http'
import { apiKey } from '@better-auth/api-key'
import { betterAuth } from 'better-auth'
import { getMigrations } from 'better-auth/db/migration'
import pg from 'pg'

const { DATABASE_URL: connectionString, POOL_SIZE, BETTER_AUTH_SECRET: secret } = process.env

const options = {
  database: new pg.Pool({ connectionString, max: Number(POOL_SIZE) }),
  secret,
  baseURL: 'http://127.0.0.1',
  rateLimit: { enabled: false },
  telemetry: { enabled: false },
  emailAndPassword: { enabled: true },
  plugins: [apiKey({ enableMetadata: true, rateLimit: { enabled: false } })],
}

const { runMigrations } = await getMigrations(options)
await runMigrations()
const auth = betterAuth(options)
const { user } = await auth.api.signUpEmail({
  body: { name: 'Platform', email: 'platform@example.com', password: crypto.randomUUID() },
})
const made = await auth.api.createApiKey({
  body: {
    userId: user.id,
    name: 'Reporting service',
    permissions: { reports: ['read'], campaigns: ['read'] },
    metadata: { ticket: 'OPS-1', contact: 'platform@example.com' },
  },
})
console.log(`key: ${made.key}`)

const server = createServer((request, response) => {
  const chunks = []
  request.on('data', (chunk) => chunks.push(chunk))
  request.on('end', async () => {
    const { key } = JSON.parse(Buffer.concat(chunks).toString())
    const answer = JSON.stringify(await auth.api.verifyApiKey({ body: { key } }))
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(answer) })
    response.end(answer)
  })
})
server.listen(0, '127.0.0.1', () => console.log(`listening on http://127.0.0.1:${server.address().port}`))
