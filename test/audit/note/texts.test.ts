// Checkpoints, account heads and proofs as text: read as they are written, and none passes for another.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { accountHeadText, parseAccountHead } from '#audit/note/account-head.ts'
import { checkpointText, parseCheckpoint } from '#audit/note/checkpoint.ts'
import { parseProofText, proofText } from '#audit/note/proof-text.ts'
import { openNote, signNote } from '#audit/note/signed-note.ts'
import { signersOf, trustedOf } from '#test/audit/support/keys.ts'

const root = Buffer.from('CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=', 'base64')
const checkpoint = { origin: 'example.com/behind-the-sofa', size: 20_852_163, root }
const CHECKPOINT = 'example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n'
const head = { origin: 'keys.example.com/audit/1', accountId: 'acc_0123abc', count: 7, size: 9, root }
const HEAD = 'keys.example.com/audit/1 account-head\nacc_0123abc\n7\n9\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n'
const anyHash = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes))

describe('the text of a checkpoint', () => {
  test('is that of tlog-checkpoint', () => {
    expect(checkpointText(checkpoint)).toBe(CHECKPOINT)
    expect(parseCheckpoint(CHECKPOINT)).toEqual(checkpoint)
  })

  test('is read as it is written', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), anyHash, (size, hash) => {
        const any = { origin: 'a/b', size, root: hash }
        expect(parseCheckpoint(checkpointText(any))).toEqual(any)
      }),
    )
  })

  test.each([
    '',
    CHECKPOINT.slice(0, -1),
    `\n${CHECKPOINT}`,
    `${CHECKPOINT}extension\n`,
    `${CHECKPOINT}\n`,
    CHECKPOINT.replace('20852163', '020852163'),
    CHECKPOINT.replace('20852163', '-1'),
    CHECKPOINT.replace('20852163', '9007199254740992'),
    CHECKPOINT.replace('q2I=', 'q2J='),
    CHECKPOINT.replace('q2I=', 'q2I'),
    HEAD,
  ])('is not %j', (text) => {
    expect(parseCheckpoint(text)).toBeUndefined()
  })
})

describe('the text of an account head', () => {
  test('says how many events an account has in a tree', () => {
    expect(accountHeadText(head)).toBe(HEAD)
    expect(parseAccountHead(HEAD)).toEqual(head)
  })

  test('never is a checkpoint, nor a checkpoint a head', () => {
    expect(parseCheckpoint(HEAD)).toBeUndefined()
    expect(parseAccountHead(CHECKPOINT)).toBeUndefined()
  })

  test.each([
    '',
    HEAD.replace(' account-head', ''),
    HEAD.replace('keys.example.com/audit/1', ''),
    HEAD.replace('acc_0123abc', '12'),
    HEAD.replace('\n7\n', '\n07\n'),
    HEAD.replace('\n9\n', '\nx\n'),
    HEAD.replace('q2I=', 'q2I'),
    `${HEAD}more\n`,
  ])('is not %j', (text) => {
    expect(parseAccountHead(text)).toBeUndefined()
  })
})

describe('the text of a proof', () => {
  const [signer] = signersOf(checkpoint.origin, 1)
  const note = signNote(CHECKPOINT, [signer!])

  test('is that of tlog-proof', () => {
    expect(proofText({ index: 73_894, proof: [root, root], note })).toBe(
      `c2sp.org/tlog-proof@v1\nindex 73894\n${root.toString('base64')}\n${root.toString('base64')}\n\n${note}`,
    )
    expect(proofText({ index: 0, proof: [], note, extra: Buffer.from('more') })).toBe(
      `c2sp.org/tlog-proof@v1\nextra bW9yZQ==\nindex 0\n\n${note}`,
    )
  })

  test('is read as it is written, its checkpoint verbatim', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), fc.array(anyHash), fc.option(fc.uint8Array()), (index, proof, bytes) => {
        const any = { index, proof, note, ...(bytes === null ? {} : { extra: Buffer.from(bytes) }) }
        const read = parseProofText(proofText(any))
        expect(read).toEqual(any)
        expect(openNote(read!.note, [trustedOf(signer!)])).toMatchObject({ text: CHECKPOINT })
      }),
    )
  })

  const right = proofText({ index: 5, proof: [root], note })
  test.each([
    '',
    right.replace('@v1', '@v2'),
    right.replace('index 5', 'index 05'),
    right.replace('index 5\n', ''),
    right.replace('index 5', 'extra !\nindex 5'),
    right.replace(root.toString('base64'), 'x'),
    right.split('\n\n')[0]!,
  ])('is not %j', (text) => {
    expect(parseProofText(text)).toBeUndefined()
  })
})
