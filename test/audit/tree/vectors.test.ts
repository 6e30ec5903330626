// The vectors that certificate transparency's implementations are tested with.
import { describe, expect, test } from 'vitest'
import { rootOf } from '#audit/tree/edge.ts'
import { EMPTY_ROOT, leafHash } from '#audit/tree/hash.ts'
import { consistencyProof, inclusionProof, isConsistent, isIncluded } from '#audit/tree/proofs.ts'
import { memoryTiles } from '#test/audit/support/tiles.ts'

const ENTRIES = [
  '',
  '00',
  '10',
  '2021',
  '3031',
  '40414243',
  '5051525354555657',
  '606162636465666768696a6b6c6d6e6f',
].map((hex) => Buffer.from(hex, 'hex'))

const ROOTS = [
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
]

const INCLUSION = [
  { leaf: 1, size: 1, proof: [] },
  {
    leaf: 1,
    size: 8,
    proof: [
      '96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7',
      '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
      '6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4',
    ],
  },
  {
    leaf: 6,
    size: 8,
    proof: [
      'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b',
      'ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0',
      'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
    ],
  },
  { leaf: 3, size: 3, proof: ['fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125'] },
  {
    leaf: 2,
    size: 5,
    proof: [
      '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
      '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
      'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b',
    ],
  },
]

const CONSISTENCY = [
  { from: 1, to: 1, proof: [] },
  {
    from: 1,
    to: 8,
    proof: [
      '96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7',
      '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
      '6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4',
    ],
  },
  {
    from: 6,
    to: 8,
    proof: [
      '0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a',
      'ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0',
      'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
    ],
  },
  {
    from: 2,
    to: 5,
    proof: [
      '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
      'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b',
    ],
  },
]

const tiles = memoryTiles()
tiles.append(ENTRIES.map(leafHash))

describe('the vectors of certificate transparency', () => {
  test('have the roots that are known', () => {
    expect(EMPTY_ROOT.toString('hex')).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855')
    ROOTS.forEach((root, at) => {
      const grown = memoryTiles()
      grown.append(ENTRIES.slice(0, at + 1).map(leafHash))
      expect(rootOf(grown.edge()).toString('hex')).toBe(root)
    })
  })

  test.each(INCLUSION)('prove that leaf $leaf is in the tree of $size', async ({ leaf, size, proof }) => {
    const hashes = await inclusionProof(tiles.read, leaf - 1, size)
    expect(hashes.map((hash) => hash.toString('hex'))).toEqual(proof)
    const root = Buffer.from(ROOTS[size - 1]!, 'hex')
    expect(isIncluded({ leafHash: leafHash(ENTRIES[leaf - 1]!), index: leaf - 1, size, root, proof: hashes })).toBe(
      true,
    )
  })

  test.each(CONSISTENCY)('prove that the tree of $to contains that of $from', async ({ from, to, proof }) => {
    const hashes = await consistencyProof(tiles.read, from, to)
    expect(hashes.map((hash) => hash.toString('hex'))).toEqual(proof)
    const [fromRoot, toRoot] = [from, to].map((size) => Buffer.from(ROOTS[size - 1]!, 'hex'))
    expect(isConsistent({ from, fromRoot: fromRoot!, to, toRoot: toRoot!, proof: hashes })).toBe(true)
  })
})
