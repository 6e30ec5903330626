// Keys of tests: of the same number always the same.
import { parseSigningKeys, parseVkey, type Signer, type SigningKeys, type Verifier } from '#audit/note/signing-key.ts'

export function seedText(...numbers: readonly number[]): string {
  return numbers.map((number) => Buffer.alloc(32, number).toString('base64')).join(',')
}

export function signingKeys(...numbers: readonly number[]): SigningKeys {
  const result = parseSigningKeys(seedText(...numbers))
  if (!result.ok) throw new Error(result.problems.join('; '))
  return result.keys
}

export function signersOf(name: string, ...numbers: readonly number[]): readonly Signer[] {
  return signingKeys(...numbers).signers(name)
}

export function trustedOf({ vkey }: Signer): Verifier {
  return parseVkey(vkey)!
}
