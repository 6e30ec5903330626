import { describe, expect, test } from 'vitest'
import { searchHints } from '#queries/hint-search.ts'
import { newRootKey } from '#secret/ids.ts'
import { mintSecret } from '#secret/mint.ts'
import { parseToken } from '#secret/token.ts'

/** Whether a search for the text finds a code with the hint, as the database compares. */
function finds(text: string, hint: string): boolean {
  const { exactly, range } = searchHints(text)
  return exactly.includes(hint) || (range !== null && range.from <= hint && hint < range.to)
}

describe('a search by the head of a secret', () => {
  const hint = 'bss_05a426XyZ9'

  test.each([
    ['the hint', hint],
    ['the hint as it is shown', `${hint}…`],
    ['less', 'bss_05a'],
    ['less, as a log may cut it', 'bss_05a…'],
    ['the prefix alone', 'bss'],
    ['one letter', 'b'],
    ['more', `${hint}_Abc`],
    ['more, cut', `${hint}_Abc…`],
    ['more that no secret goes on with', `${hint}Abc`],
  ])('finds by %s', (_, text) => {
    expect(finds(text, hint)).toBe(true)
  })

  test.each([
    ['another', 'bss_05a426XyZ8'],
    ['another case', 'BSS_05a426xyz9'],
    ['what the hint goes on to', '05a426XyZ9'],
    ['a wildcard', 'bss_%'],
    ['a wildcard character', 'bss_05a426XyZ_'],
    ['a quote', "bss_'"],
    ['nothing', ''],
  ])('does not find by %s', (_, text) => {
    expect(finds(text, hint)).toBe(false)
  })

  test.each(['bss', 'my_app_0123456789', 'a_b', `${'p'.repeat(32)}`])(
    'finds by every head of a secret with prefix %s',
    (prefix) => {
      const plaintext = mintSecret(prefix).reveal()
      const whole = parseToken(plaintext)
      expect(whole).toBeDefined()
      for (let length = 1; length <= plaintext.length; length++)
        expect(finds(plaintext.slice(0, length), whole?.hint ?? '')).toBe(true)
    },
  )

  test('passes on nothing of a pasted secret beyond its hint', () => {
    // Nearly all: where every letter of a hint is a small one, it could be the prefix of another hint.
    const secrets = Array.from({ length: 200 }, () => newRootKey().reveal())
    const telling = secrets.filter((plaintext) => /[A-Z]/.test(parseToken(plaintext)?.hint ?? ''))
    expect(telling.length).toBeGreaterThan(150)
    for (const plaintext of telling)
      expect(searchHints(plaintext)).toEqual({ exactly: [parseToken(plaintext)?.hint], range: null })
  })
})
