// One server for the whole run: TEST_DATABASE_URL if set (a superuser, or a role with CREATEDB and CREATEROLE,
// on PostgreSQL 15+), else an embedded one in a folder that goes with the run. It gets one migrated template, which every
// test file clones.
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { connect } from '#database/connect.ts'
import { startEmbeddedServer } from '#database/embedded/server.ts'
import { SERVING_ROLE } from '#database/grants.ts'
import { migrate } from '#database/migrate.ts'
import { onServer, type TestServer, urlOf } from './server.ts'

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const given = process.env.TEST_DATABASE_URL
  const { url, stop } = given === undefined ? await startOwn() : { url: given, stop: async () => undefined }
  const run = randomBytes(4).toString('hex')
  const server: TestServer = {
    url,
    template: `keyledger_template_${run}`,
    prefix: `keyledger_test_${run}`,
    servingUser: `keyledger_test_server_${run}`,
    servingPassword: randomBytes(16).toString('hex'),
    outlivesRun: given !== undefined,
  }
  try {
    await makeTemplate(server)
  } catch (error) {
    await stop()
    throw error
  }
  project.provide('testServer', server)
  return async () => {
    if (server.outlivesRun)
      await onServer(url, `DROP DATABASE IF EXISTS ${server.template}`, `DROP ROLE IF EXISTS ${server.servingUser}`)
    await stop()
  }
}

async function startOwn(): Promise<{ url: string; stop: () => Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'keyledger-test-'))
  const server = await startEmbeddedServer({
    dataFolder: folder,
    settings: { fsync: 'off', full_page_writes: 'off' },
  })
  // The host in front is overridden by the parameter; a URL needs one to have a user.
  const query = new URLSearchParams({ host: server.socketFolder, port: String(server.port) })
  return {
    url: `postgres://postgres@localhost/postgres?${query}`,
    async stop() {
      await server.stop()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

async function makeTemplate(server: TestServer): Promise<void> {
  await onServer(server.url, `CREATE DATABASE ${server.template}`)
  const owner = connect({
    connection: { connectionString: urlOf(server.url, server.template) },
    prepared: false,
    poolSize: 1,
    queryTimeoutMs: 0,
    applicationName: 'keyledger-test',
    onIdleError: (error) => console.error(error),
  })
  try {
    await migrate(owner)
  } finally {
    await owner.close()
  }
  await onServer(
    server.url,
    `CREATE ROLE ${server.servingUser} LOGIN PASSWORD '${server.servingPassword}' IN ROLE ${SERVING_ROLE}`,
  )
}
