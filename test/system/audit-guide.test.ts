// The guide for auditors is run as it is printed, on exports of what it tells of.
import { spawnSync } from 'node:child_process'
import { readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { INCOMPLETE_KINDS, TAMPERED_KINDS } from '#audit/verify/findings.ts'
import { restored } from '#test/audit/support/restored.ts'
import { addUsers, soundWorld } from '#test/audit/support/stories.ts'
import { temporary } from '#test/audit/support/verifying.ts'
import { exportOf, seal, type World, writeFiles } from '#test/audit/support/world.ts'
import { blocksOf, replay, startShell, stepsOf } from '#test/support/transcript.ts'

const PROJECT = path.join(import.meta.dirname, '../..')
const page = readFileSync(path.join(PROJECT, 'docs/audit.md'), 'utf8')
const hasPython = spawnSync('python3', ['--version']).status === 0

function april(): World {
  const world = soundWorld()
  addUsers(world, 3)
  seal(world)
  return world
}

function may(): World {
  const world = april()
  world.events[3]!.type = 'policy.deleted'
  world.state.find(({ table }) => table === 'key')!.row.enabled = false
  return world
}

function june(): World {
  const world = soundWorld()
  restored(world, 14)
  return world
}

test('docs/audit.md tells the truth, command by command', async () => {
  const folder = temporary()
  for (const [name, world] of Object.entries({ march: soundWorld(), april: april(), may: may(), june: june() }))
    writeFiles(path.join(folder, name), exportOf(world))
  symlinkSync(path.join(PROJECT, 'auditor'), path.join(folder, 'auditor'))
  writeFileSync(
    path.join(folder, 'keyledger'),
    `#!/bin/sh\nexec ${process.execPath} ${path.join(PROJECT, 'src/cli/keyledger.ts')} "$@"\n`,
    { mode: 0o755 },
  )
  const shell = startShell({ PATH: `${folder}:${process.env.PATH}`, PYTHONDONTWRITEBYTECODE: '1' })
  await shell.run(`cd ${folder}`)
  const steps = blocksOf(page).flatMap(stepsOf)
  expect(steps.length).toBeGreaterThan(6)
  await replay(shell, hasPython ? steps : steps.filter(({ script }) => !script.startsWith('python3')), new Map())
  await shell.close()
})

test('docs/audit.md is found from the README', () => {
  expect(readFileSync(path.join(PROJECT, 'README.md'), 'utf8')).toContain('(docs/audit.md)')
})

test('docs/audit.md explains every kind of finding', () => {
  const explained = page.split('\n').flatMap((line) => /^\| ((?:`[a-z-]+`(?:, )?)+) \|/.exec(line)?.[1] ?? [])
  const kinds = explained.flatMap((cell) => [...cell.matchAll(/`([a-z-]+)`/g)].map((match) => match[1] ?? ''))
  expect(kinds).toEqual(expect.arrayContaining([...TAMPERED_KINDS, ...INCOMPLETE_KINDS]))
})
