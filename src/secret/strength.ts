// How hard a caller's own secret is to guess, in bits: those that the shortest of a few descriptions of it would take, which
// are what guessers try first. It is spelled out character by character, but for what repeats or continues what came before,
// runs along a keyboard, and letters that read like words.
//
// Ours, and not zxcvbn's: that measures people's passwords. It calls 18 random letters and digits (107 bits) weaker than
// `correct-horse-battery-staple`, and takes 7 s for 256 of them, in a server that has one thread.
import type { Secret } from './secret.ts'

/** Bits of one more character that nothing explains, by its kind: 26 letters of the same case, 10 digits, 33 others. */
const LETTER_BITS = Math.log2(26)
const DIGIT_BITS = Math.log2(10)
const SYMBOL_BITS = Math.log2(33)
/** One that stood before, as a separator does. */
const SYMBOL_AGAIN_BITS = 1
/** Of another kind than the one before it. */
const KIND_BITS = 1
const YEAR = /^(19|20)[0-9]{2}$/
const YEAR_LENGTH = 4
const YEAR_BITS = 7

/** What is said again or goes on must be so long for the description to be shorter. */
const COPY_LENGTH_MIN = 3
const PROGRESSION_LENGTH_MIN = 4

// A word of a Diceware list has 7 letters on the average and 12.9 bits; so has one by this rule (13.8). Bounding the length
// counts words that are run together as several.
const WORD_BITS = 4
const WORD_LETTER_BITS = 1.4
const WORD_LENGTH_MIN = 3
const WORD_LENGTH_MAX = 8
/** Of the pairs of neighbours in English text more than 9 of 10 are among these 180, of random ones 1 of 4. */
const COMMON_PAIRS = new Set(
  (
    'th he in er an re on at en nd ti es or te of ed is it al ar st to nt ng se ha as ou io le ve co me de hi ri ro ic ne ea ' +
    'ra ce li ch ll be ma si om ur ca el ta la ns di fo ho pe ec pr no ct us ac ot il tr ly nc et ut ss so rs un lo wa ge ie ' +
    'wh ee wi em ad ol rt po we na ul ni ts mo ow pa im mi ai sh ir su id os iv ia am fi ci vi pl ig tu ev ld ry mp fe bl ab ' +
    'gh ty op wo sa ay ex ke fr oo av ag if ap gr od bo sp rd do uc bu ei ov by rm ep tt oc fa ef cu rn sc gi da yo cr cl du ' +
    'ga qu ue ba ey va um pp up lu go ru ug ck au br ki'
  ).split(' '),
)
const COMMON_SHARE_MIN = 0.7
/** Letters that are often written as something else, at most a third of a word. */
const SUBSTITUTES = new Map(
  Object.entries({ 0: 'o', 1: 'l', 3: 'e', 4: 'a', 5: 's', 7: 't', '@': 'a', $: 's', '!': 'i' }),
)
const SUBSTITUTE_BITS = 1
const SUBSTITUTES_SHARE_MAX = 1 / 3
const CAPITALS_BITS = 1

const KEYBOARD_ROWS = [
  'qwertyuiop',
  'qwertzuiop',
  'azertyuiop',
  'asdfghjkl',
  'zxcvbnm',
  '1234567890',
  '!@#$%^&*()_+',
  '1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik,9ol.0p',
].flatMap((row) => [row, [...row].reverse().join('')])
/** Which row, which way and where it begins. */
const KEYBOARD_BITS = 8

/** From here on a guess at a fast digest is hopeless, with the digest and its pepper in hand too. */
const STRONG_BITS = 64

/** Whether a caller's own secret is too hard to guess. */
export function isStrong(secret: Secret): boolean {
  return estimateBits(secret.reveal()) >= STRONG_BITS
}

/** Bits, from 0; an estimate that errs towards too few. Takes some milliseconds for 256 characters of visible ASCII. */
export function estimateBits(text: string): number {
  const folded = text.toLowerCase()
  const copies = copyLengths([...folded], COPY_LENGTH_MIN)
  const progressions = copyLengths(steps(folded), PROGRESSION_LENGTH_MIN - 1)
  /** The fewest bits that describe the first so many characters. */
  const fewest = [0, ...Array.from(text, () => Number.POSITIVE_INFINITY)]
  for (let from = 0; from < text.length; from++) {
    const before = fewest[from] ?? 0
    const reach = (length: number, bits: number) => {
      fewest[from + length] = Math.min(fewest[from + length] ?? Number.POSITIVE_INFINITY, before + bits)
    }
    reach(1, characterBits(text, from))
    if (YEAR.test(text.slice(from, from + YEAR_LENGTH))) reach(YEAR_LENGTH, YEAR_BITS)
    const again = Math.max(copies[from] ?? 0, progressions[from] ?? 0)
    for (let length = COPY_LENGTH_MIN; length <= again; length++) reach(length, repetitionBits(from, length))
    const run = keyboardRun(folded, from)
    if (run >= COPY_LENGTH_MIN) reach(run, KEYBOARD_BITS)
    for (let length = WORD_LENGTH_MIN; length <= WORD_LENGTH_MAX && from + length <= text.length; length++) {
      const bits = wordBits(text.slice(from, from + length))
      if (bits !== undefined) reach(length, bits)
    }
  }
  return fewest[text.length] ?? 0
}

type Kind = 'lower' | 'upper' | 'digit' | 'symbol'

function kindOf(character: string): Kind {
  if (/[a-z]/.test(character)) return 'lower'
  if (/[A-Z]/.test(character)) return 'upper'
  return /[0-9]/.test(character) ? 'digit' : 'symbol'
}

function characterBits(text: string, at: number): number {
  const character = text.charAt(at)
  const kind = kindOf(character)
  const change = at > 0 && kindOf(text.charAt(at - 1)) !== kind ? KIND_BITS : 0
  if (kind === 'digit') return DIGIT_BITS + change
  if (kind !== 'symbol') return LETTER_BITS + change
  return (text.indexOf(character) < at ? SYMBOL_AGAIN_BITS : SYMBOL_BITS) + change
}

/** Where it stood before, and how long it is. */
function repetitionBits(from: number, length: number): number {
  return Math.log2(Math.max(from, 2)) + Math.log2(length)
}

/** The distances between neighbours: what goes up or down in even steps, or in a pattern of steps, repeats in them. */
function steps(text: string): readonly number[] {
  return Array.from(text, (_, at) => (at === 0 ? Number.NaN : text.charCodeAt(at) - text.charCodeAt(at - 1)))
}

/** For each place how much of what follows begins at an earlier place too; 0 where that is less than `least`. */
function copyLengths(items: readonly (string | number)[], least: number): readonly number[] {
  const longest = items.map(() => 0)
  // How much is the same from here and from each earlier place: one more than from the two places behind.
  let behind = new Uint16Array(items.length + 1)
  for (let at = items.length - 1; at > 0; at--) {
    const here = new Uint16Array(items.length + 1)
    let length = 0
    for (let earlier = 0; earlier < at; earlier++) {
      if (items[at] !== items[earlier]) continue
      const same = (behind[earlier + 1] ?? 0) + 1
      here[earlier] = same
      length = Math.max(length, same)
    }
    if (length >= least) longest[at] = length
    behind = here
  }
  return longest
}

function keyboardRun(folded: string, from: number): number {
  let longest = 0
  for (const row of KEYBOARD_ROWS) {
    const start = row.indexOf(folded.charAt(from))
    if (start < 0) continue
    let length = 0
    while (start + length < row.length && row[start + length] === folded[from + length]) length++
    longest = Math.max(longest, length)
  }
  return longest
}

/** Undefined where it does not read like one word, or a part of one. */
function wordBits(text: string): number | undefined {
  const letters = Array.from(text, (character) => SUBSTITUTES.get(character) ?? character).join('')
  const substitutes = Array.from(text).filter((character) => SUBSTITUTES.has(character)).length
  if (!/^([A-Z]?[a-z]+|[A-Z]+)$/.test(letters) || substitutes > text.length * SUBSTITUTES_SHARE_MAX) return undefined
  const folded = letters.toLowerCase()
  const pairs = Array.from({ length: folded.length - 1 }, (_, at) => folded.slice(at, at + 2))
  if (pairs.filter((pair) => COMMON_PAIRS.has(pair)).length < pairs.length * COMMON_SHARE_MIN) return undefined
  const capitals = folded === letters ? 0 : CAPITALS_BITS
  return WORD_BITS + WORD_LETTER_BITS * text.length + capitals + substitutes * SUBSTITUTE_BITS
}
