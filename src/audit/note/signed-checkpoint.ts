// A checkpoint, where it is one that we signed ourselves: whoever can write to the database could have put another in its place.
import { type Checkpoint, parseCheckpoint } from './checkpoint.ts'
import { openNote } from './signed-note.ts'
import { parseVkey, type Signer } from './signing-key.ts'

/** The checkpoint of a note that one of these keys has signed; undefined for any other note. */
export function openCheckpoint(note: string, signers: readonly Signer[]): Checkpoint | undefined {
  const ours = signers.map(({ vkey }) => parseVkey(vkey)).filter((verifier) => verifier !== undefined)
  const opened = openNote(note, ours)
  return 'problem' in opened ? undefined : parseCheckpoint(opened.text)
}
