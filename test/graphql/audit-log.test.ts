import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readEntry } from '#audit/entry.ts'
import { parseAccountHead } from '#audit/note/account-head.ts'
import { parseCheckpoint } from '#audit/note/checkpoint.ts'
import { parseProofText } from '#audit/note/proof-text.ts'
import { openNote } from '#audit/note/signed-note.ts'
import { parseVkey } from '#audit/note/signing-key.ts'
import { leafHash } from '#audit/tree/hash.ts'
import { isConsistent, isIncluded } from '#audit/tree/proofs.ts'
import { knownShardOf } from '#domain/ids.ts'
import {
  AccountHeadDocument,
  AuditCheckpointDocument,
  AuditConsistencyDocument,
  InclusionProofDocument,
  type InclusionProofQuery,
} from '#test/generated/operations.ts'
import { startTestApp, type TestApp } from '#test/support/app.ts'
import { appendUpdates } from '#test/support/export.ts'
import { HOST, testSealer, testSigningKeys } from '#test/support/sealing.ts'
import { statementsOf } from '#test/support/statements.ts'

type Proof = NonNullable<NonNullable<InclusionProofQuery['event']>['inclusionProof']>
type Account = Awaited<ReturnType<TestApp['createAccount']>>

let app: TestApp
let ours: Account
let theirs: Account
let auditor: string
let key: { readonly accountId: string; readonly keyId: string }
/** When the log was smaller. */
let early: Awaited<ReturnType<typeof checkpoint>>

beforeAll(async () => {
  app = await startTestApp()
  ours = await app.createAccount('Ours')
  theirs = await app.createAccount('Theirs')
  auditor = await app.createCredential(ours.accountId, ['events.read'])
  await seal()
  early = await checkpoint()
  key = { ...ours, keyId: (await app.createKey(await app.createKeyspace(ours.accountId))).keyId }
  await appendUpdates(app, key, 600, 10)
  await app.createKeyspace(theirs.accountId)
  await seal()
})
afterAll(() => app.close())

async function seal(): Promise<void> {
  const sealer = testSealer({ database: app.database.serving, keyring: app.keyring })
  await sealer.sealNow()
  await sealer.stop()
}

const asAuditor = () => ({ credential: auditor })

async function checkpoint(size?: string) {
  const { auditCheckpoint } = await app.ask(AuditCheckpointDocument, { size: size ?? null }, asAuditor())
  if (auditCheckpoint == null) throw new Error('nothing is sealed')
  return auditCheckpoint
}

/** What a reviewer has who was given the public key, and nothing else of ours. */
function trusted() {
  const vkeys = testSigningKeys('first')
    .signers(`${HOST}/audit/1`)
    .map(({ vkey }) => parseVkey(vkey))
  return vkeys.filter((vkey) => vkey !== undefined)
}

function textOf(note: string): string {
  const opened = openNote(note, trusted())
  if ('problem' in opened) throw new Error(opened.problem)
  return opened.text
}

const bytes = (text: string) => Buffer.from(text, 'base64')

/** As any tool of C2SP does it: the entry, the text, and the key. */
function isProven({ text, entry }: Proof, root?: Buffer): boolean {
  const proof = parseProofText(text)
  const signed = proof && parseCheckpoint(textOf(proof.note))
  if (proof === undefined || signed === undefined) return false
  if (root !== undefined && !root.equals(signed.root)) return false
  return isIncluded({ leafHash: leafHash(bytes(entry)), index: proof.index, proof: proof.proof, ...signed })
}

type Node = { readonly id: string; readonly position: string; readonly inclusionProof: Proof | null }
type Page = {
  readonly account: {
    readonly events: { readonly nodes: readonly Node[]; readonly pageInfo: { hasNextPage: boolean; endCursor: string } }
  }
}

const PAGE = `query ($id: ID!, $first: Int!, $after: String, $size: Position) { account(id: $id) { events(first: $first, after: $after) {
  nodes { id position inclusionProof(size: $size) { leafIndex leafHash treeSize hashes entry text } }
  pageInfo { hasNextPage endCursor } } } }`

async function pageOf(variables: object): Promise<Page['account']['events']> {
  const { account } = await app.ask<Page, object>(PAGE, { id: ours.accountId, first: 100, ...variables })
  return account.events
}

/** Of an account, from the first on. */
async function allEvents(size?: string): Promise<readonly Node[]> {
  const nodes: Node[] = []
  for (let after: string | undefined; ; ) {
    const page = await pageOf({ after, size })
    nodes.push(...page.nodes)
    if (!page.pageInfo.hasNextPage) return nodes
    after = page.pageInfo.endCursor
  }
}

describe('a reviewer who has nothing but the API and a public key', () => {
  test('knows an account complete: every position up to the signed count is proven', async () => {
    await app.createKeyspace(ours.accountId)
    const { accountHead } = await app.ask(AccountHeadDocument, { accountId: ours.accountId }, asAuditor())
    const head = parseAccountHead(textOf(accountHead?.note ?? ''))
    expect(head).toMatchObject({ accountId: ours.accountId, origin: `${HOST}/audit/1` })
    const sealed = (await allEvents(String(head?.size))).filter((event) => event.inclusionProof !== null)
    const positions = sealed.map(({ inclusionProof }) => {
      if (inclusionProof === null || !isProven(inclusionProof, head?.root)) return undefined
      const entry = readEntry(bytes(inclusionProof.entry))
      if (entry?.kind !== 'event') return undefined
      const { accountId } = JSON.parse(entry.body.toString('utf8')) as { accountId: string }
      return accountId === ours.accountId ? Number(entry.position) : undefined
    })
    expect(head?.count).toBeGreaterThan(600)
    expect(positions).toEqual(Array.from({ length: head?.count ?? 0 }, (_, at) => at + 1))
    // What was not sealed as yet is not counted.
    expect((await allEvents()).length).toBeGreaterThan(sealed.length)
    await seal()
  })

  test('is told of a head what its note says', async () => {
    const { accountHead } = await app.ask(AccountHeadDocument, { accountId: ours.accountId }, asAuditor())
    const head = parseAccountHead(textOf(accountHead?.note ?? ''))
    expect(accountHead).toEqual({
      accountId: head?.accountId,
      count: String(head?.count),
      size: String(head?.size),
      root: head?.root.toString('base64'),
      note: accountHead?.note,
    })
    const { size, root } = await checkpoint()
    expect(accountHead).toMatchObject({ size, root })
  })

  test('sees from two checkpoints that the log only grew', async () => {
    const newest = await checkpoint()
    const { auditConsistency } = await app.ask(AuditConsistencyDocument, { from: early.size }, asAuditor())
    const told = {
      from: Number(auditConsistency?.from),
      to: Number(auditConsistency?.to),
      proof: (auditConsistency?.hashes ?? []).map(bytes),
    }
    expect(auditConsistency).toMatchObject({ from: early.size, to: newest.size })
    const [fromRoot, toRoot] = [bytes(early.root), bytes(newest.root)]
    expect(isConsistent({ ...told, fromRoot, toRoot })).toBe(true)
    expect(isConsistent({ ...told, fromRoot: toRoot, toRoot })).toBe(false)
    const ended = await app.ask(AuditConsistencyDocument, { from: '1', to: early.size }, asAuditor())
    expect(ended.auditConsistency).toMatchObject({ from: '1', to: early.size })
  })
})

describe('an inclusion proof', () => {
  test('is checked by its fields, and by its text', async () => {
    const [event] = (await pageOf({ first: 1 })).nodes
    const { event: found } = await app.ask(InclusionProofDocument, { eventId: event?.id ?? '' }, asAuditor())
    const proof = found?.inclusionProof
    const { size, root } = await checkpoint()
    expect(proof?.treeSize).toBe(size)
    expect(proof?.leafHash).toBe(leafHash(bytes(proof?.entry ?? '')).toString('base64'))
    const p = { leafHash: bytes(proof?.leafHash ?? ''), index: Number(proof?.leafIndex), size: Number(size) }
    const hashes = (proof?.hashes ?? []).map(bytes)
    expect(isIncluded({ ...p, root: bytes(root), proof: hashes })).toBe(true)
    expect(isIncluded({ ...p, index: p.index + 1, root: bytes(root), proof: hashes })).toBe(false)
    expect(parseProofText(proof?.text ?? '')).toMatchObject({ index: p.index, proof: hashes })
  })

  test('is made against the checkpoint that was kept, and null where that is older than the event', async () => {
    const nodes = await allEvents(early.size)
    const proven = nodes.filter((node) => node.inclusionProof !== null)
    expect(proven.length).toBeGreaterThan(0)
    expect(proven.map(({ position }) => position)).toEqual(
      nodes.slice(0, proven.length).map(({ position }) => position),
    )
    expect(proven.length).toBeLessThan(nodes.length)
    for (const { inclusionProof } of proven)
      expect(inclusionProof !== null && isProven(inclusionProof, bytes(early.root))).toBe(true)
  })

  test('is refused against a size that no checkpoint has', async () => {
    const [event] = (await pageOf({ first: 1 })).nodes
    for (const size of ['0', '2', '9007199254740993', '9223372036854775807']) {
      const { errors } = await app.execute(InclusionProofDocument, { eventId: event?.id ?? '', size }, asAuditor())
      expect(errors).toMatchObject([{ extensions: { code: 'INVALID_INPUT', issues: [{ path: ['size'] }] } }])
    }
  })

  test('costs a page of a hundred three statements, like one', async () => {
    for (const first of [1, 100]) {
      // Others may be sent meanwhile, but nothing else asks the log.
      const sent = await statementsOf(() => pageOf({ first }))
      expect(sent.filter(({ text }) => text.includes('audit.'))).toHaveLength(3)
    }
  })

  test('takes the right to read history, also where an event is shown without it', async () => {
    const credential = await app.createCredential(ours.accountId, ['keys.write'])
    const { data, errors } = await app.execute<{ updateKey: { events: { inclusionProof: unknown }[] } }, object>(
      `mutation ($keyId: ID!) { updateKey(input: { keyId: $keyId, description: "changed" }) {
        ... on UpdateKeySuccess { events { id inclusionProof { entry } } } ... on Error { code message } } }`,
      { keyId: key.keyId },
      { credential },
    )
    expect(data?.updateKey.events).toMatchObject([{ inclusionProof: null }])
    expect(errors).toMatchObject([{ extensions: { code: 'FORBIDDEN' } }])
  })
})

describe('a checkpoint', () => {
  test('is told with all that it says signed', async () => {
    const told = await checkpoint()
    const signed = parseCheckpoint(textOf(told.note))
    expect(told).toMatchObject({
      logNumber: 1,
      origin: signed?.origin,
      size: String(signed?.size),
      root: signed?.root.toString('base64'),
      vkeys: trusted().map(({ vkey }) => vkey),
      refusal: null,
    })
    expect(await checkpoint(early.size)).toMatchObject({ size: early.size, root: early.root, note: early.note })
    const { auditCheckpoint } = await app.ask(AuditCheckpointDocument, { size: '2' }, asAuditor())
    expect(auditCheckpoint).toBeNull()
  })

  test('says since when something is not sealed', async () => {
    await seal()
    expect((await checkpoint()).unsealedSince).toBeNull()
    await app.createPolicy(theirs.accountId)
    const { rows } = await app.database.owner.pool.query(
      'SELECT occurred_at FROM log.event WHERE account_id = $1 ORDER BY position DESC LIMIT 1',
      [theirs.accountId],
    )
    await app.createPolicy(theirs.accountId)
    expect((await checkpoint()).unsealedSince).toBe(rows[0].occurred_at.replace(/(\.\d{3})\d*Z$/, '$1Z'))
    await seal()
    expect((await checkpoint()).unsealedSince).toBeNull()
  })

  test('says why nothing is sealed, to root in detail, to others without what is not theirs', async () => {
    const refusal = `the event evt_x (position 1 of ${theirs.accountId}) is not as it was written`
    await withRow('audit.log', { refusal }, async () => {
      const { auditCheckpoint } = await app.ask(AuditCheckpointDocument, {})
      expect(auditCheckpoint?.refusal).toBe(refusal)
      expect((await checkpoint()).refusal).toBe('History is not as it was signed. Root is told more.')
    })
  })
})

describe('a proof of consistency', () => {
  test.each([
    ['from', { from: '9223372036854775807' }],
    ['to', { from: '1', to: '9007199254740993' }],
    ['to', { from: '3', to: '2' }],
  ])('is refused for a size that can not be, by name: %s', async (path, variables) => {
    const { data, errors } = await app.execute(AuditConsistencyDocument, variables, asAuditor())
    expect(data?.auditConsistency ?? null).toBeNull()
    expect(errors).toMatchObject([{ extensions: { code: 'INVALID_INPUT', issues: [{ path: [path] }] } }])
  })

  test('is empty from nothing, and from the same size', async () => {
    for (const from of ['0', early.size]) {
      const { auditConsistency } = await app.ask(AuditConsistencyDocument, { from, to: early.size }, asAuditor())
      expect(auditConsistency?.hashes).toEqual([])
    }
  })
})

/** While a row says otherwise, as only who owns the database can have it. */
async function withRow(table: string, change: Readonly<Record<string, unknown>>, work: () => Promise<void>) {
  const { pool } = app.database.owner
  const where = table === 'audit.checkpoint' ? 'size = (SELECT max(size) FROM audit.checkpoint)' : 'true'
  const names = Object.keys(change)
  const set = (values: Readonly<Record<string, unknown>>) =>
    pool.query(
      `WITH replica AS MATERIALIZED (SELECT set_config('session_replication_role', 'replica', true))
       UPDATE ${table} SET ${names.map((name, at) => `${name} = $${at + 1}`).join(', ')} FROM replica WHERE ${where}`,
      names.map((name) => values[name]),
    )
  const { rows } = await pool.query(`SELECT ${names.join(', ')} FROM ${table} WHERE ${where}`)
  await set(change)
  try {
    await work()
  } finally {
    await set(rows[0])
  }
}

describe('the head of an account', () => {
  const ask = (accountId: string, credential = auditor) =>
    app.execute(AccountHeadDocument, { accountId }, { credential })

  test('of somebody else answers like one of nobody', async () => {
    const nobody = theirs.accountId.replace(/.{4}$/, '0000')
    expect(knownShardOf(nobody)).toBe(knownShardOf(theirs.accountId))
    for (const accountId of [theirs.accountId, nobody, 'nonsense'])
      expect(await ask(accountId)).toMatchObject({ data: { accountHead: null }, errors: [] })
    const root = await ask(theirs.accountId, app.rootKey)
    expect(root.data?.accountHead).toMatchObject({ accountId: theirs.accountId })
  })

  test('is not signed while history is refused', async () => {
    await withRow('audit.log', { refusal: 'history was changed' }, () =>
      expectRefused('history is not as it was signed'),
    )
    expect((await ask(ours.accountId)).errors).toEqual([])
  })

  test('is never signed over a root that no key of ours has signed', async () => {
    const forged = Buffer.alloc(32, 'forged')
    await withRow('audit.checkpoint', { root: forged }, () => expectRefused('history is not as it was signed'))
    const note = (await checkpoint()).note
    const text = note.replace((await checkpoint()).root, forged.toString('base64'))
    await withRow('audit.checkpoint', { root: forged, note: text }, () =>
      expectRefused('history is not as it was signed'),
    )
  })

  test('is not signed where the counter of the account knows of more', async () => {
    const { rows } = await app.database.owner.pool.query('SELECT position FROM log.account WHERE account_id = $1', [
      ours.accountId,
    ])
    const count = async (position: bigint) =>
      app.database.owner.pool.query('UPDATE log.account SET position = $2 WHERE account_id = $1', [
        ours.accountId,
        position,
      ])
    await count(rows[0].position + 1n)
    await expectRefused('history is not as it was signed')
    await count(rows[0].position)
    expect((await ask(ours.accountId)).errors).toEqual([])
  })

  async function expectRefused(message: string): Promise<void> {
    const { data, errors } = await ask(ours.accountId)
    expect(data?.accountHead ?? null).toBeNull()
    expect(errors).toMatchObject([{ message: expect.stringContaining(message), extensions: { code: 'UNAVAILABLE' } }])
  }
})

test('before anything is sealed there are no proofs, and without a key no heads', async () => {
  const other = await startTestApp({ signingKeys: null })
  try {
    const { accountId } = await other.createAccount()
    expect(await other.ask(AuditCheckpointDocument, {})).toEqual({ auditCheckpoint: null })
    expect(await other.ask(AuditConsistencyDocument, { from: '1' })).toEqual({ auditConsistency: null })
    const { account } = await other.ask<Page, object>(PAGE, { id: accountId, first: 1 })
    expect(account.events.nodes).toMatchObject([{ inclusionProof: null }])
    const { errors } = await other.execute(AccountHeadDocument, { accountId })
    expect(errors).toMatchObject([
      { message: expect.stringContaining('has no key to sign with'), extensions: { code: 'UNAVAILABLE' } },
    ])
  } finally {
    await other.close()
  }
})

test('before anything is sealed no head is signed', async () => {
  const other = await startTestApp()
  try {
    const { accountId } = await other.createAccount()
    const { errors } = await other.execute(AccountHeadDocument, { accountId })
    expect(errors).toMatchObject([
      { message: expect.stringContaining('Nothing is sealed yet'), extensions: { code: 'UNAVAILABLE' } },
    ])
  } finally {
    await other.close()
  }
})
