// What is sound, and what can't be said to be: copies that are not whole, and no key to trust.
import { describe, expect, test } from 'vitest'
import { verifyFolder } from '#audit/verify/verify.ts'
import { signersOf, trustedOf } from '#test/audit/support/keys.ts'
import { FORGOTTEN, largeWorld, soundWorld } from '#test/audit/support/stories.ts'
import { foundIn, temporary, verifyFiles, verifyWorld } from '#test/audit/support/verifying.ts'
import { exportOf, newWorld, openLog, writeFiles } from '#test/audit/support/world.ts'

describe('an untouched export', () => {
  test('is sound, says what is not sealed yet and who was erased, by which event', () => {
    const verification = verifyWorld(soundWorld())
    expect(foundIn(verification)).toEqual([])
    expect(verification).toMatchObject({
      verdict: 'sound',
      origin: 'keys.example.com/audit/1',
      size: 19,
      events: 20,
      pending: 2,
      erased: [{ userId: FORGOTTEN, eventId: 'evt_0300000000000000000012', values: 2 }],
    })
  })

  test('is sound with nothing but the log itself', () => {
    const world = newWorld()
    openLog(world, [1])
    expect(verifyWorld(world)).toMatchObject({ verdict: 'sound', size: 1, events: 0, pending: 0 })
  })

  test('is sound over several tiles and many checkpoints', () => {
    expect(verifyWorld(largeWorld())).toMatchObject({ verdict: 'sound', size: 614, pending: 0, findings: [] })
  })
})

describe('an export is incomplete', () => {
  test('without its manifest: it was interrupted', () => {
    const verification = verifyFiles(exportOf(soundWorld()), { hasManifest: false })
    expect(verification).toMatchObject({ verdict: 'incomplete', origin: null })
    expect(foundIn(verification)).toEqual(['file-missing: manifest.sha256'])
  })

  test.each([['events/3.ndjson'], ['audit/1/checkpoint'], ['export.json'], ['audit/1/tile/entries/000.p/19']])(
    'where %s is missing, cut off, or another one, and says nothing else',
    (file) => {
      const files = exportOf(soundWorld())
      const whole = Buffer.from(files.get(file)!)
      for (const [content, kind] of [
        [undefined, 'file-missing'],
        [whole.subarray(0, -1), 'file-short'],
        [Buffer.concat([whole.subarray(0, -1), Buffer.from('x')]), 'file-short'],
      ] as const) {
        const verification = verifyFiles(files, { damaged: [file, content] })
        expect(verification.verdict).toBe('incomplete')
        expect(foundIn(verification)).toEqual([`${kind}: ${file}`])
      }
    },
  )

  test('where rows can not be read', () => {
    const files = exportOf(soundWorld())
    files.set('accounts.ndjson', `${String(files.get('accounts.ndjson'))}{"shard":\n`)
    const verification = verifyFiles(files)
    expect(verification.verdict).toBe('incomplete')
    expect(foundIn(verification)).toEqual(['unreadable: accounts.ndjson'])
  })

  test('where a newer version wrote it', () => {
    const files = exportOf(soundWorld())
    files.set('export.json', String(files.get('export.json')).replace('"version":1', '"version":2'))
    expect(foundIn(verifyFiles(files))).toEqual(['unreadable: export.json'])
  })

  test('where its keys are of another host', () => {
    const elsewhere = signersOf('keys.example.org/audit/1', 1).map(trustedOf)
    for (const keys of [[], elsewhere]) {
      const folder = temporary()
      writeFiles(folder, exportOf(soundWorld()))
      const { verification } = verifyFolder(folder, { keys, known: [], accepts: new Set(), accepted: [] })
      expect(verification.verdict).toBe('incomplete')
      expect(foundIn(verification)).toEqual(['no-key: keys.example.com/audit/1'])
    }
  })
})

test('paths of the manifest never lead out of the folder', () => {
  const files = exportOf(soundWorld())
  for (const path of ['../secret', 'a/../../secret', '/etc/passwd', 'a//b']) {
    const verification = verifyFiles(files, { manifest: `${'0'.repeat(64)}  ${path}\n` })
    expect(foundIn(verification)).toEqual(['unreadable: manifest.sha256'])
  }
})
