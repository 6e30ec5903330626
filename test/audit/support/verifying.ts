// Exports of tests in folders that go when the test ends, and what the verifier says of them.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { onTestFinished } from 'vitest'
import type { Finding } from '#audit/verify/findings.ts'
import { type Known, parseKnown } from '#audit/verify/known.ts'
import { type Verification, verifyFolder } from '#audit/verify/verify.ts'
import { signersOf, trustedOf } from './keys.ts'
import { exportOf, type Files, HOST, type World, writeFiles } from './world.ts'

export type Given = {
  /** Numbers of the keys that are pinned for the first log. */
  readonly keys?: readonly number[]
  /** Texts of files with known checkpoints. */
  readonly known?: readonly string[]
  /** Origins of logs whose losses are known of. */
  readonly accepts?: readonly string[]
  readonly hasManifest?: boolean
  /** A file that became another one after the export, or was lost. */
  readonly damaged?: readonly [file: string, content: Buffer | undefined]
  readonly manifest?: string
}

export function temporary(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'keyledger-audit-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

export function pinned(...keys: readonly number[]): ReturnType<typeof trustedOf>[] {
  return keys.length === 0 ? [] : signersOf(`${HOST}/1`, ...keys).map(trustedOf)
}

export function verifyWorld(world: World, given: Given = {}): Verification {
  return verifyFiles(exportOf(world), given)
}

export function verifyFiles(files: Files, given: Given = {}): Verification {
  const { keys = [1], known = [], accepts = [], hasManifest = true, damaged, manifest } = given
  const folder = temporary()
  writeFiles(folder, files, hasManifest)
  if (damaged !== undefined) rmSync(path.join(folder, damaged[0]))
  if (damaged?.[1] !== undefined) writeFileSync(path.join(folder, damaged[0]), damaged[1])
  if (manifest !== undefined) writeFileSync(path.join(folder, 'manifest.sha256'), manifest)
  const parsed = known.flatMap((text, at): readonly Known[] => parseKnown(`known ${at + 1}`, text)!)
  return verifyFolder(folder, { keys: pinned(...keys), known: parsed, accepts: new Set(accepts), accepted: [] })
    .verification
}

/** Kind and what of each. */
export function foundIn({ findings }: { readonly findings: readonly Finding[] }): readonly string[] {
  return findings.map(({ kind, what }) => `${kind}: ${what}`)
}
