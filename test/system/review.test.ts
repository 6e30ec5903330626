// The page for reviewers is run as it is printed, on a clock that goes, so that what happened has different instants.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { systemClock } from '#database/clock.ts'
import { startTestApp } from '#test/support/app.ts'
import { testSealer } from '#test/support/sealing.ts'
import { blocksOf, replay, startShell, stepsOf } from '#test/support/transcript.ts'

const PROJECT = join(import.meta.dirname, '../..')

const app = await startTestApp({ clock: { ...systemClock, advance: () => undefined } })
afterAll(() => app.close())

test('docs/review.md answers every question as it says', async () => {
  const page = await readFile(join(PROJECT, 'docs/review.md'), 'utf8')
  const steps = blocksOf(page).flatMap(stepsOf)
  const questions = page.split('\n').filter((line) => line.startsWith('## '))
  expect(questions.length).toBeGreaterThanOrEqual(10)
  expect(questions.filter((line) => !line.endsWith('?'))).toEqual([])
  expect(steps.filter(({ answers }) => answers.length > 0).length).toBeGreaterThan(questions.length)
  const { accountId, managementKeyspaceId } = await app.createAccount()
  const administrator = await app.createKey(managementKeyspaceId, { name: 'console', permissions: ['*'] })
  // As a server does it within seconds.
  const sealer = testSealer({ database: app.database.serving, keyring: app.keyring })
  await sealer.sealNow()
  await sealer.stop()
  const shell = startShell({
    SERVER_URL: app.origin,
    ADMINISTRATOR: administrator.secret,
    REVIEWER: await app.createCredential(accountId, ['events.read', 'keys.read', 'accounts.read']),
  })
  const values = new Map<string, string>()
  await replay(shell, steps, values)
  expect(values.get('account')).toBe(accountId)
  await shell.close()
})

test('it is found from the README', async () => {
  expect(await readFile(join(PROJECT, 'README.md'), 'utf8')).toContain('(docs/review.md)')
})
