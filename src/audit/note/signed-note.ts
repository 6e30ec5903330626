// Signed notes as C2SP defines them: text, an empty line, a line for each signature. A note's text is nothing before it is opened
// with a key that is trusted.
import { invariant } from '#domain/invariant.ts'
import { isKeyName, type Signer, type Verifier } from './signing-key.ts'

/** A text as whoever trusts one of `signedBy` may read it. */
export type OpenedNote = { readonly text: string; readonly signedBy: readonly Verifier[] }

const SIGNATURES_MAX = 100
const NOTE_LENGTH_MAX = 1_000_000
const KEY_ID_BYTES = 4

type SignatureLine = { readonly name: string; readonly id: string; readonly signature: Buffer }

/** `text` ends with a line's end; the signers write their lines in the order given. */
export function signNote(text: string, signers: readonly Signer[]): string {
  invariant(isNoteText(text) && text.endsWith('\n'), 'what is signed is lines of text')
  invariant(signers.length > 0, 'a note is signed by someone')
  return `${text}\n${signers.map((signer) => signer.sign(text)).join('')}`
}

/** Signatures of unknown keys count nothing. A wrong one of a trusted key rejects the note, whatever else is right. */
export function openNote(note: string, trusted: readonly Verifier[]): OpenedNote | { readonly problem: string } {
  if (note.length > NOTE_LENGTH_MAX) return { problem: 'it is too long for a signed note' }
  if (!isNoteText(note)) return { problem: 'it has characters that a signed note can not have' }
  const split = note.lastIndexOf('\n\n')
  if (split < 0 || !note.endsWith('\n')) return { problem: 'it is no signed note' }
  const text = note.slice(0, split + 1)
  const lines = note.slice(split + 2, -1).split('\n')
  if (lines.length > SIGNATURES_MAX) return { problem: `it has more than ${SIGNATURES_MAX} signatures` }
  const signatures = lines.map(parseSignatureLine)
  const signedBy = new Set<Verifier>()
  for (const line of signatures) {
    if (line === undefined) return { problem: 'it has a line among its signatures that is none' }
    const verifier = trusted.find(({ name, id }) => name === line.name && id === line.id)
    if (verifier === undefined) continue
    if (!verifier.verify(text, line.signature)) return { problem: `the signature of ${verifier.vkey} is wrong` }
    signedBy.add(verifier)
  }
  return signedBy.size === 0 ? { problem: 'no trusted key signed it' } : { text, signedBy: [...signedBy] }
}

function parseSignatureLine(line: string): SignatureLine | undefined {
  const [dash, name = '', text = '', ...more] = line.split(' ')
  const bytes = Buffer.from(text, 'base64')
  if (dash !== '\u2014' || !isKeyName(name) || more.length > 0) return undefined
  // Only the canonical spelling: otherwise a flipped bit could be one that nobody looks at.
  if (bytes.length <= KEY_ID_BYTES || bytes.toString('base64') !== text) return undefined
  return { name, id: bytes.toString('hex', 0, KEY_ID_BYTES), signature: bytes.subarray(KEY_ID_BYTES) }
}

/** No control characters but line ends, and nothing that UTF-8 can't say. */
function isNoteText(text: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what a note must not have
  return !/[\u0000-\u0009\u000b-\u001f]/.test(text) && text.isWellFormed()
}
