// Signed notes: C2SP's own examples, what is refused, and that no bit of a note can be flipped.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { openNote, signNote } from '#audit/note/signed-note.ts'
import { parseVkey } from '#audit/note/signing-key.ts'
import { signersOf, trustedOf } from '#test/audit/support/keys.ts'

const EXAMPLE_VKEY = 'example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k'
const EXAMPLE = `This is an example message.

— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=
`
const ORIGIN = 'keys.example.com/audit/1'
const [signer, other] = signersOf(ORIGIN, 1, 2)
const trusted = [trustedOf(signer!)]
const TEXT = 'keys.example.com/audit/1\n1\nhash\n'

describe('the example of C2SP', () => {
  test('is opened with its key', () => {
    const key = parseVkey(EXAMPLE_VKEY)!
    expect(openNote(EXAMPLE, [key])).toEqual({ text: 'This is an example message.\n', signedBy: [key] })
  })

  test('is opened by no bit of it flipped', () => {
    const key = parseVkey(EXAMPLE_VKEY)!
    const bytes = Buffer.from(EXAMPLE)
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const flipped = Buffer.from(bytes)
      flipped[bit >> 3]! ^= 1 << (bit % 8)
      // What is no UTF-8 is refused where files are read; here it becomes replacement characters.
      expect(openNote(flipped.toString('utf8'), [key])).toHaveProperty('problem')
    }
  })
})

describe('a note', () => {
  test('is opened as it was signed, by one key or by several', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'grapheme' })), fc.boolean(), (lines, isOverlap) => {
        const text = `${lines.join('').replaceAll(/\p{Cc}/gu, '')}\n`
        const note = signNote(text, isOverlap ? [other!, signer!] : [signer!])
        expect(openNote(note, trusted)).toEqual({ text, signedBy: trusted })
      }),
    )
    const both = [trustedOf(signer!), trustedOf(other!)]
    expect(openNote(signNote(TEXT, [signer!, other!]), both)).toEqual({ text: TEXT, signedBy: both })
  })

  test('may have empty lines: the last one ends it', () => {
    const text = 'a\n\n\nb\n'
    expect(openNote(signNote(text, [signer!]), trusted)).toMatchObject({ text })
  })

  test('is not opened without a trusted signature', () => {
    expect(openNote(signNote(TEXT, [other!]), trusted)).toEqual({ problem: 'no trusted key signed it' })
    expect(openNote(signNote(TEXT, [signer!]), [])).toEqual({ problem: 'no trusted key signed it' })
    expect(openNote(signNote(TEXT, signersOf('keys.example.com/audit/2', 1)), trusted)).toHaveProperty('problem')
  })

  test('is refused for one wrong signature of a trusted key, whatever else is right', () => {
    const [text, signatures] = signNote(TEXT, [other!]).split('\n\n')
    const forged = `${text?.replace('hash', 'hush')}\n\n${signatures}${signer!.sign(`${text?.replace('hash', 'hush')}\n`)}`
    expect(openNote(forged, trusted)).toMatchObject({ signedBy: trusted })
    const both = [trustedOf(signer!), trustedOf(other!)]
    expect(openNote(forged, both)).toEqual({ problem: `the signature of ${other!.vkey} is wrong` })
  })

  test('takes signatures of unknown kinds for nothing', () => {
    const note = `${signNote(TEXT, [signer!])}— witness.example ${Buffer.alloc(76, 3).toString('base64')}\n`
    expect(openNote(note, trusted)).toMatchObject({ signedBy: trusted })
  })

  test.each([
    ['no signature', `${TEXT}\n`],
    ['no empty line', TEXT + signer!.sign(TEXT)],
    ['no last line end', signNote(TEXT, [signer!]).slice(0, -1)],
    ['a line that is no signature', `${signNote(TEXT, [signer!])}hello\n`],
    ['a tab', signNote(TEXT, [signer!]).replace('hash', 'ha\tsh')],
    ['a carriage return', signNote(TEXT, [signer!]).replaceAll('\n', '\r\n')],
    ['a signature of four bytes', `${signNote(TEXT, [signer!])}— a AAAAAA==\n`],
    ['base64 that is not canonical', signNote(TEXT, [signer!]).replace(/=\n$/, '\n')],
    ['over a hundred signatures', signNote(TEXT, [signer!]) + '— a AAAAAAA=\n'.repeat(100)],
    ['a million characters', signNote('a'.repeat(1_000_000) + TEXT, [signer!])],
    ['a lone surrogate', signNote(TEXT, [signer!]).replace('hash', 'ha\ud800sh')],
  ])('with %s is refused', (_, note) => {
    expect(openNote(note, trusted)).toHaveProperty('problem')
  })

  test('is not made of what could not be read', () => {
    expect(() => signNote('no end of line', [signer!])).toThrow('lines of text')
    expect(() => signNote('a\tb\n', [signer!])).toThrow('lines of text')
    expect(() => signNote(TEXT, [])).toThrow('by someone')
  })
})
