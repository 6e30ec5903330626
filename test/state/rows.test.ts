// Projections: the rows that commands keep up step by step are those that the whole log comes to.
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { addUser } from '#commands/add-user.ts'
import { createAccount } from '#commands/create-account.ts'
import { createKey } from '#commands/create-key.ts'
import { createKeyspace } from '#commands/create-keyspace.ts'
import { createPolicy } from '#commands/create-policy.ts'
import { deleteCode } from '#commands/delete-code.ts'
import { deleteKey } from '#commands/delete-key.ts'
import { deleteKeyspace } from '#commands/delete-keyspace.ts'
import { deletePolicy } from '#commands/delete-policy.ts'
import { disableCode } from '#commands/disable-code.ts'
import { disableKey } from '#commands/disable-key.ts'
import { enableCode } from '#commands/enable-code.ts'
import { enableKey } from '#commands/enable-key.ts'
import { eraseUser } from '#commands/erase-user.ts'
import { issueCode } from '#commands/issue-code.ts'
import { linkKey } from '#commands/link-key.ts'
import { removeUser } from '#commands/remove-user.ts'
import { revealCode } from '#commands/reveal-code.ts'
import { revokeKey } from '#commands/revoke-key.ts'
import { rotateKey } from '#commands/rotate-key.ts'
import { unlinkKey } from '#commands/unlink-key.ts'
import { updateAccount } from '#commands/update-account.ts'
import { updateCode } from '#commands/update-code.ts'
import { updateKey } from '#commands/update-key.ts'
import { updateKeyspace } from '#commands/update-keyspace.ts'
import { updateLink } from '#commands/update-link.ts'
import { updatePolicy } from '#commands/update-policy.ts'
import { updateUser } from '#commands/update-user.ts'
import type { Connection, Database } from '#database/connect.ts'
import { DAY_MS, plusMs } from '#domain/instant.ts'
import { foldStreams, type StoredEvent } from '#log/load.ts'
import { allRows, stateTables } from '#state/project.ts'
import type { Row } from '#state/row-writer.ts'
import { createTestDatabase, type TestDatabase } from '#test/support/database.ts'
import { type TestServices, testServices } from '#test/support/services.ts'
import { type AnyCommand, cases } from '../commands/cases.ts'

let database: TestDatabase
let at: TestServices
beforeAll(async () => {
  database = await createTestDatabase()
  at = testServices(database.serving)
})
afterAll(() => database.drop())

/** Rows that stand on one side only, as the server compares them; none where the live state is what the log says. */
async function differences(
  connection: Connection | Database['pool'] = database.owner.pool,
): Promise<readonly unknown[]> {
  const { rows: events } = await connection.query<StoredEvent>('SELECT * FROM log.event ORDER BY stream_id, version')
  const parts = [...foldStreams(events).values()].flatMap(allRows)
  const found = []
  for (const { name } of stateTables) {
    const folded: readonly Row[] = parts.flatMap((part) => (part.table.name === name ? part.rows : []))
    const { rows } = await connection.query(
      `WITH folded AS (SELECT to_jsonb(f) AS row FROM jsonb_populate_recordset(null::state.${name}, $1) f),
            live AS (SELECT to_jsonb(l) AS row FROM state.${name} l)
       SELECT '${name}' AS table, 'only folded' AS side, row FROM (SELECT * FROM folded EXCEPT ALL SELECT * FROM live) a
       UNION ALL SELECT '${name}', 'only live', row FROM (SELECT * FROM live EXCEPT ALL SELECT * FROM folded) b`,
      [JSON.stringify(folded)],
    )
    found.push(...rows)
  }
  return found
}

type Step = {
  readonly command: AnyCommand
  readonly waitMs: number
  /** Which of the things there are, modulo how many. */
  readonly which: number
  readonly text: string
  readonly flag: boolean
  readonly lifetimeMs: number | null | undefined
}

const weights: Readonly<Record<string, number>> = {
  createKey: 8,
  rotateKey: 12,
  issueCode: 6,
  updateKey: 6,
  createAccount: 1,
  deleteKey: 2,
  revokeKey: 2,
}
const texts = fc.oneof(
  fc.constantFrom('a', 'Ä', '{"a": "b"}', '\\x00', "it's", 'null', '\u{1f600}', 'ｆｕｌｌ'),
  fc.string({ minLength: 1, maxLength: 20, unit: 'grapheme' }),
)

const anyStep: fc.Arbitrary<Step> = fc.record({
  command: fc.oneof(
    ...cases.map(({ command, name }) => ({ weight: weights[name] ?? 3, arbitrary: fc.constant(command) })),
  ),
  waitMs: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 5_000 }), fc.constant(DAY_MS)),
  which: fc.nat({ max: 50 }),
  text: texts,
  flag: fc.boolean(),
  lifetimeMs: fc.constantFrom(undefined, null, 1, 5_000, DAY_MS),
})

/** What has been made so far, for later steps to pick from. */
type Made = {
  accounts: string[]
  keyspaces: string[]
  policies: string[]
  keys: string[]
  codes: string[]
  links: string[]
  users: string[]
  /** Another account's, to be linked. */
  readonly foreignKeyIds: readonly string[]
}

async function take(step: Step, made: Made): Promise<void> {
  at.clock.advance(step.waitMs)
  const outcome = await at.run(step.command, inputFor(step, made))
  if (outcome.kind === 'refused') return
  const { accountId, keyspaceId, policyId, keyId, linkId, userId, issuedCodeIds } = outcome.result as Record<
    string,
    never
  >
  if (step.command.name === 'createAccount') made.accounts.push(accountId ?? '')
  if (step.command.name === 'createKeyspace') made.keyspaces.push(keyspaceId ?? '')
  if (step.command.name === 'createPolicy') made.policies.push(policyId ?? '')
  if (step.command.name === 'linkKey') made.links.push(linkId ?? '')
  if (step.command.name === 'addUser') made.users.push(userId ?? '')
  if (step.command.name === 'createKey') made.keys.push(keyId ?? '')
  made.codes.push(...((issuedCodeIds as string[] | undefined) ?? []))
}

function inputFor({ command, which, text, flag, lifetimeMs }: Step, made: Made): object {
  const pick = (ids: readonly string[]) => ids[ids.length - 1 - (which % ids.length)]
  const expiresAt = typeof lifetimeMs === 'number' ? plusMs(at.clock.now(), lifetimeMs) : lifetimeMs
  const keyspaceId = pick(made.keyspaces)
  const policyId = pick(made.policies)
  const keyId = pick(made.keys)
  const codeId = pick(made.codes)
  const linkId = pick(made.links)
  const userId = pick(made.users)
  const role = (['ADMINISTRATOR', 'AUDITOR', 'VERIFIER', 'MEMBER'] as const)[which % 4]
  const slot = which % 3 === 0 ? 'SECONDARY' : 'PRIMARY'
  const authorizations = which % 2 === 0 ? 'FROZEN' : 'EDITABLE'
  const rules = {
    prefix: flag ? 'one' : 'two',
    activeKeysMax: flag ? null : 3 + (which % 5),
    authorizations,
    secretDisplay: flag ? 'REVEALABLE' : 'ONCE',
    managedBy: flag ? 'OWNERS' : 'ADMINISTRATORS',
  }
  const endpoints = flag ? null : [{ methods: ['GET', '*'], path: `/${which}/:id` }]
  const policyIds = which % 3 === 0 ? null : [policyId]
  const ownerId = which % 4 === 0 ? null : userId
  const details = { name: text, description: flag ? null : text, tags: flag ? [] : [text, 'b'], expiresAt, ownerId }
  const ending = { keyId, reason: 'SUPERSEDED', note: flag ? text : null }
  const inputs = new Map<unknown, object>([
    [createAccount, { name: text }],
    [updateAccount, { accountId: pick(made.accounts), name: text }],
    [createKeyspace, { accountId: pick(made.accounts), name: `${text}${which}`, rules }],
    [updateKeyspace, flag ? { keyspaceId, rules } : { keyspaceId, name: `${text}${which}` }],
    [deleteKeyspace, { keyspaceId }],
    [
      createPolicy,
      {
        accountId: pick(made.accounts),
        name: `${text}${which}`,
        description: 'd',
        permissions: [`p${which}`],
        endpoints,
      },
    ],
    [updatePolicy, flag ? { policyId, endpoints } : { policyId, name: `${text}${which}` }],
    [deletePolicy, { policyId }],
    [createKey, { keyspaceId, enabled: flag, ...details, policyIds, codes: flag ? undefined : [{ slot }, {}] }],
    [
      updateKey,
      { keyId, ...details, metadata: { [text]: [text, which] }, policyIds, permissions: ['ads.*', `p${which}`] },
    ],
    [enableKey, { keyId }],
    [disableKey, { keyId }],
    [revokeKey, ending],
    [deleteKey, ending],
    [rotateKey, { keyId, slot, overlapSeconds: (which % 4) * 3, description: text, expiresAt }],
    [issueCode, { keyId, slot: flag ? null : slot, description: flag ? null : text, expiresAt }],
    [updateCode, { codeId, description: flag ? null : text }],
    [enableCode, { codeId }],
    [disableCode, { codeId }],
    [deleteCode, { codeId }],
    [revealCode, { codeId }],
    [
      linkKey,
      {
        accountId: pick(made.accounts),
        keyId: pick(flag ? made.keys : made.foreignKeyIds),
        keyspaceId: which % 2 === 0 ? keyspaceId : null,
        policyIds: [policyId],
      },
    ],
    [updateLink, { linkId, policyIds: [policyId] }],
    [unlinkKey, { linkId }],
    [
      addUser,
      { accountId: pick(made.accounts), externalId: `${text}${which % 9}`, role, displayName: flag ? text : null },
    ],
    [updateUser, { userId, role, displayName: flag ? text : null, permissions: flag ? null : [`p${which}`] }],
    [removeUser, { userId }],
    [eraseUser, { userId }],
  ])
  const input = inputs.get(command)
  if (input === undefined) throw new Error(`${command.name} has no input here`)
  return input
}

describe('the rows of state', () => {
  test('are those that the log comes to, after any commands in any order', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyStep, { minLength: 20, maxLength: 45, size: 'max' }), async (steps) => {
        const account = await at.createAccount()
        const keyspaceId = await at.createKeyspace(account.accountId)
        const { keyId, codeIds } = await at.createKey(keyspaceId)
        const foreignKeyIds = [(await at.createForeignKey()).keyId, (await at.createForeignKey()).keyId]
        const made: Made = {
          accounts: [account.accountId],
          keyspaces: [account.managementKeyspaceId, keyspaceId],
          policies: [await at.createPolicy(account.accountId)],
          keys: [keyId],
          codes: [...codeIds],
          users: [await at.addUser(account.accountId)],
          links: [await at.linkKey(account.accountId, foreignKeyIds[0] ?? '')],
          foreignKeyIds,
        }
        for (const step of steps) await take(step, made)
        expect(await differences()).toEqual([])
      }),
      { numRuns: 10 },
    )
    // Enough has happened for that to mean something.
    const { rows } = await database.owner.pool.query<{ type: string }>('SELECT DISTINCT type FROM log.event')
    expect(rows.length).toBeGreaterThan(12)
  }, 60_000)

  test.each([
    ['a changed column', `UPDATE state.key SET name = name || '!' WHERE key_id = (SELECT min(key_id) FROM state.key)`],
    ['a missing row', 'DELETE FROM state.code WHERE code_id = (SELECT min(code_id) FROM state.code)'],
    ['another order', 'UPDATE state.rotation SET ordinal = ordinal + 100'],
  ])('would differ by %s', async (_what, tamper) => {
    const { keyId } = await at.createKey(await at.createKeyspace((await at.createAccount()).accountId))
    await at.done(rotateKey, { keyId, slot: 'PRIMARY', overlapSeconds: 0 })
    expect(await differences()).toEqual([])
    const client = await database.owner.pool.connect()
    try {
      await client.query(`BEGIN; ${tamper}`)
      expect(await differences(client)).not.toEqual([])
    } finally {
      await client.query('ROLLBACK')
      client.release()
    }
  })

  test('say what has happened to a key', async () => {
    const start = at.clock.now()
    const later = (seconds: number) => plusMs(start, seconds * 1_000)
    const account = await at.createAccount()
    const { origin, keyId: callerId } = await at.createCaller(account, ['*'])
    const keyspaceId = await at.createKeyspace(account.accountId)
    const input = { keyspaceId, name: 'Ｎａｍｅ', enabled: true, tags: ['b', 'a'], codes: [{ description: 'first' }] }
    const { result } = await at.done(createKey, input, origin)
    const { keyId } = result
    at.clock.advance(1_000)
    const rotated = await at.done(rotateKey, { keyId, slot: 'PRIMARY', overlapSeconds: 60 })
    at.clock.advance(1_000)
    const again = await at.done(rotateKey, { keyId, slot: 'PRIMARY', overlapSeconds: 60 })
    at.clock.advance(1_000)
    await at.done(disableCode, { codeId: rotated.result.issuedCodeIds[0] })
    at.clock.advance(1_000)
    await at.done(revokeKey, { keyId, reason: 'KEY_COMPROMISE', note: 'found' }, origin)
    at.clock.advance(1_000)
    await at.done(deleteKey, { keyId, reason: 'UNSPECIFIED' })

    const [first, second, third] = [result, rotated.result, again.result].flatMap(({ issuedCodeIds }) => issuedCodeIds)
    const read = async (table: 'state.key' | 'state.code' | 'state.rotation') =>
      at.database.kysely.selectFrom(table).selectAll().where('key_id', '=', keyId).execute()
    expect(await read('state.key')).toMatchObject([
      {
        account_id: account.accountId,
        keyspace_id: keyspaceId,
        name: 'Ｎａｍｅ',
        name_folded: 'name',
        tags: ['b', 'a'],
        metadata: {},
        enabled: true,
        created_at: start,
        created_by_kind: 'KEY',
        created_by_id: callerId,
        updated_at: later(5),
        revoked_at: later(4),
        revoked_by_kind: 'KEY',
        revoked_by_id: callerId,
        revocation_reason: 'KEY_COMPROMISE',
        revocation_note: 'found',
        deleted_at: later(5),
        version: 7,
      },
    ])
    const codes = (await read('state.code')) as { ordinal: number }[]
    expect(codes.toSorted((a, b) => a.ordinal - b.ordinal)).toMatchObject([
      {
        ordinal: 1,
        code_id: first,
        description: 'first',
        replaced_by_id: second,
        overlap_ends_at: later(2),
        enabled: true,
      },
      {
        ordinal: 2,
        code_id: second,
        replaced_by_id: third,
        overlap_ends_at: later(3),
        enabled: false,
        issued_at: later(1),
      },
      {
        ordinal: 3,
        code_id: third,
        replaced_by_id: null,
        replaced_at: null,
        overlap_ends_at: null,
        issued_by_kind: 'ROOT',
      },
    ])
    const rotations = (await read('state.rotation')) as { ordinal: number }[]
    expect(rotations.toSorted((a, b) => a.ordinal - b.ordinal)).toMatchObject([
      { ordinal: 1, rotation_id: rotated.result.rotationId, retired_code_id: first, replacement_code_id: second },
      { ordinal: 2, rotation_id: again.result.rotationId, retired_code_id: second, replacement_code_id: third },
    ])
  })
})
