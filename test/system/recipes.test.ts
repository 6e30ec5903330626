// The pages of docs/recipes are run as they are printed, each in an account of its own.
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { startTestApp } from '#test/support/app.ts'
import { blocksOf, replay, startShell, stepsOf } from '#test/support/transcript.ts'

const PROJECT = join(import.meta.dirname, '../..')
const RECIPES = 'docs/recipes'

const pages = await readdir(join(PROJECT, RECIPES))
const app = await startTestApp()
afterAll(() => app.close())

describe('the recipe', () => {
  test.each(pages)('%s tells the truth, command by command', async (name) => {
    const steps = blocksOf(await readFile(join(PROJECT, RECIPES, name), 'utf8')).flatMap(stepsOf)
    expect(steps.filter(({ answers }) => answers.length > 0).length).toBeGreaterThan(8)
    const { accountId, managementKeyspaceId } = await app.createAccount()
    const actsAs = 'ann@example.org'
    await app.addUser(accountId, { externalId: actsAs, permissions: ['reports.read'] })
    const ann = await app.createKey(managementKeyspaceId, { permissions: ['*'], actsAs })
    const partner = await app.createAccount('Partner')
    await app.createKey(await app.createKeyspace(partner.accountId, {}, 'Console'), { name: 'Tool', codes: [] })
    const shell = startShell({
      SERVER_URL: app.origin,
      ADMINISTRATOR: await app.createCredential(accountId, ['*']),
      ANN: ann.secret,
      PARTNER: await app.createCredential(partner.accountId, ['*']),
      SERVICE: await app.createCredential(accountId, ['keys.verify', 'logs.write']),
    })
    const values = new Map<string, string>()
    await replay(shell, steps, values)
    expect(values.get('account')).toBe(accountId)
    await shell.close()
  })

  test('is found from the README, each of them', async () => {
    const readme = await readFile(join(PROJECT, 'README.md'), 'utf8')
    const linked = [...readme.matchAll(/\(docs\/recipes\/([\w.-]+)\)/g)].map((match) => match[1])
    expect(linked.sort()).toEqual(pages.sort())
  })
})
