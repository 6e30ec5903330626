// Migrations are found by their names, run once each and never change with the product.
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { connect, type Database } from '#database/connect.ts'
import { describeSchema } from '#database/describe-schema.ts'
import { migrate, pendingMigrations } from '#database/migrate.ts'
import { onServer, urlOf } from '#test/support/server.ts'

const FOLDER = join(import.meta.dirname, '../../migrations')
const files = (await readdir(FOLDER)).sort()
const names = files.map((file) => file.replace(/\.ts$/, ''))

describe('the migrations', () => {
  test('are named NNNN-kebab-name, numbered from 1 without gaps', () => {
    for (const file of files) expect(file).toMatch(/^\d{4}-[a-z0-9]+(?:-[a-z0-9]+)*\.ts$/)
    expect(files.map((file) => Number(file.slice(0, 4)))).toEqual(files.map((_, index) => index + 1))
  })

  test.each(files)('%s imports nothing but Kysely', async (file) => {
    const text = await readFile(join(FOLDER, file), 'utf8')
    const imported = [...text.matchAll(/(?:from|import|require)\s*\(?\s*['"`]([^'"`]+)['"`]/g)].map(([, from]) => from)
    expect(imported).toEqual(['kysely'])
  })
})

describe('migrating', () => {
  const { url, prefix } = inject('testServer')
  const name = `${prefix}_migrations`
  const servers: Database[] = []
  beforeAll(async () => {
    await onServer(url, `CREATE DATABASE ${name}`)
    for (let i = 0; i < 6; i++)
      servers.push(
        connect({
          connection: { connectionString: urlOf(url, name) },
          prepared: false,
          poolSize: 2,
          queryTimeoutMs: 0,
          applicationName: 'keyledger-test',
          onIdleError: (error) => console.error(error),
        }),
      )
  })
  afterAll(async () => {
    await Promise.all(servers.map((server) => server.close()))
    await onServer(url, `DROP DATABASE ${name} WITH (FORCE)`)
  })

  test('an empty database by many servers at once applies each migration once', async () => {
    expect(await pendingMigrations(servers[0]!)).toEqual(names)
    const applied = await Promise.all(servers.map(migrate))
    expect(applied.flat()).toEqual(names)
    expect(await pendingMigrations(servers[0]!)).toEqual([])
  })

  test('a migrated database changes nothing, however many servers do it', async () => {
    const before = await describeSchema(servers[0]!)
    for (let round = 0; round < 5; round++)
      expect((await Promise.all(servers.map(migrate))).flat(), `round ${round}`).toEqual([])
    expect(await describeSchema(servers[0]!)).toBe(before)
  })
})
