// Whose signatures count: keys that were pinned, and those that entries of a log announce under a checkpoint that a trusted key
// signed. What is trusted is the key: one that is pinned for a log is so for every log of the same host, since a text that is signed
// says which log it is about.
import type { Checkpoint } from '../note/checkpoint.ts'
import { parseCheckpoint } from '../note/checkpoint.ts'
import { openNote } from '../note/signed-note.ts'
import { parseVkey, type Verifier } from '../note/signing-key.ts'
import type { Announcement } from './read-tree.ts'

export type Trust = {
  add(key: Verifier): void
  /** The keys under which a log of this origin may sign. */
  verifiersOf(origin: string): readonly Verifier[]
}

export function newTrust(pinned: readonly Verifier[]): Trust {
  const keys = [...pinned]
  return {
    add: (key) => void keys.push(key),
    verifiersOf(origin) {
      const own = keys.filter(({ name }) => hostOf(name) === hostOf(origin)).map((key) => key.under(origin))
      return [...new Map(own.map((key) => [key.vkey, key])).values()]
    },
  }
}

/** Follows announcements until no more keys can be trusted. `isOurs`: whether that tree is the one whose entries announce them. */
export function followAnnouncements(
  trust: Trust,
  origin: string,
  announcements: readonly Announcement[],
  notes: () => Iterable<string>,
  isOurs: (checkpoint: Checkpoint) => boolean,
): void {
  const announced = announcements
    .map(({ leaf, entry }) => ({ leaf, keys: entry.keys.map(parseVkey).filter((key) => key?.name === origin) }))
    .map(({ leaf, keys }) => ({ leaf, keys: keys.filter((key) => key !== undefined) }))
  const isTrusted = ({ vkey }: Verifier) => trust.verifiersOf(origin).some((trusted) => trusted.vkey === vkey)
  if (announced.every(({ keys }) => keys.every(isTrusted))) return
  const candidates = [...trust.verifiersOf(origin), ...announced.flatMap(({ keys }) => keys)]
  const reach = reachOf(candidates, notes(), isOurs)
  for (let wasMore = true; wasMore; ) {
    const size = Math.max(0, ...trust.verifiersOf(origin).map(({ vkey }) => reach.get(vkey) ?? 0))
    const more = announced
      .filter(({ leaf }) => leaf < size)
      .flatMap(({ keys }) => keys.filter((key) => !isTrusted(key)))
    for (const key of more) trust.add(key)
    wasMore = more.length > 0
  }
}

/** By key, the size of the largest checkpoint of this tree that it signed. */
function reachOf(
  candidates: readonly Verifier[],
  notes: Iterable<string>,
  isOurs: (checkpoint: Checkpoint) => boolean,
): ReadonlyMap<string, number> {
  const reach = new Map<string, number>()
  for (const note of notes)
    for (const { vkey, ...key } of candidates) {
      const opened = openNote(note, [{ vkey, ...key }])
      const checkpoint = 'text' in opened ? parseCheckpoint(opened.text) : undefined
      if (checkpoint !== undefined && checkpoint.size > (reach.get(vkey) ?? 0) && isOurs(checkpoint))
        reach.set(vkey, checkpoint.size)
    }
  return reach
}

/** An origin is `<host>/audit/<number>`; one that is not is a host of its own. */
export function hostOf(origin: string): string {
  return origin.replace(/\/\d+$/, '')
}
