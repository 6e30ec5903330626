// Where the world of the model and the product are held against each other.
import { expect } from 'vitest'
import type { TestApp } from '#test/support/app.ts'
import { type Question, readAccount, readHistory, readKey, type Verdict, verify } from './api.ts'
import {
  activeKeys,
  type Caller,
  type Code,
  codeStatus,
  codesOf,
  type Key,
  keyStatus,
  may,
  sees,
  shownCodes,
  verdictOn,
  type Wish,
  type World,
} from './world.ts'

export function instantText(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString()
}

function codeAsSeen({ id, slot, enabled, description, expiresAt, ...code }: Code, key: Key, now: number) {
  const status = codeStatus({ id, slot, enabled, description, expiresAt, ...code }, key, now)
  return { id, slot, status, enabled, description, expiresAt: instantText(expiresAt) }
}

function keyAsSeen(key: Key, now: number) {
  const { id, name, description, tags, metadata, permissions, enabled, version, keyspaceId } = key
  return {
    ...{ id, name, description, tags, metadata, permissions, enabled, version },
    keyspace: { id: keyspaceId },
    status: keyStatus(key, now),
    expiresAt: instantText(key.expiresAt),
    codes: shownCodes(key, now).map((code) => codeAsSeen(code, key, now)),
  }
}

const byId = (a: { id: string }, b: { id: string }) => (a.id < b.id ? -1 : 1)

/** One key, with every code it ever had. */
export async function agreeOnKey(world: World, app: TestApp, key: Key): Promise<void> {
  const seen = await readKey(app, key.id)
  const allCodes = key.codes.map((code) => codeAsSeen(code, key, world.now))
  expect({ ...seen, allCodes: seen?.allCodes?.toSorted(byId) }).toEqual({
    ...keyAsSeen(key, world.now),
    allCodes: allCodes.toSorted(byId),
  })
}

/** Everything that lists tell. */
export async function agreeOnAccounts(world: World, app: TestApp): Promise<void> {
  for (const { id, name, history } of world.accounts.values()) {
    const account = await readAccount(app, id)
    expect([account.name, account.position]).toEqual([name, String(history.length)])
    const keyspaces = [...world.keyspaces.values()].filter(({ accountId, deleted }) => accountId === id && !deleted)
    expect(account.keyspaces.toSorted(byId)).toEqual(
      keyspaces
        .map(({ id: keyspaceId, name, version, rules }) => {
          return { id: keyspaceId, name, version, rules, activeKeyCount: activeKeys(world, keyspaceId) }
        })
        .sort(byId),
    )
    const keys = [...world.keys.values()].filter(({ accountId }) => accountId === id)
    expect(account.keys.toSorted(byId)).toEqual(keys.map((key) => keyAsSeen(key, world.now)).sort(byId))
  }
}

export async function agreeOnHistory(world: World, app: TestApp): Promise<void> {
  for (const { id, history } of world.accounts.values()) expect(await readHistory(app, id)).toEqual(history)
}

export type Inquiry = Question & { readonly wish: Wish | null }

function verdictAsSeen(world: World, caller: Caller, { key: secret, keyspaceId, accountId, wish }: Inquiry): Verdict {
  const found = codesOf(world, secret).filter(({ key }) => {
    if (!sees(caller, key.accountId) || (accountId !== undefined && accountId !== key.accountId)) return false
    return keyspaceId === undefined ? !world.keyspaces.get(key.keyspaceId)?.management : keyspaceId === key.keyspaceId
  })
  const [match, ...others] = found
  if (match === undefined || others.length > 0) return { code: 'NOT_FOUND', keyId: null, codeId: null, expiresAt: null }
  const { key, code } = match
  const ends = [key.expiresAt, code.expiresAt, code.overlapEndsAt].filter((end) => end !== null)
  return {
    code: verdictOn(code, key, wish, world.now),
    keyId: key.id,
    codeId: code.id,
    expiresAt: instantText(ends.length === 0 ? null : Math.min(...ends)),
  }
}

/** What a caller is told of secrets, good and bad. */
export async function agreeOnVerdicts(
  world: World,
  app: TestApp,
  caller: Caller | undefined,
  credential: string | null,
  inquiries: readonly Inquiry[],
): Promise<void> {
  const questions = inquiries.map(({ wish: _, ...question }) => question)
  const answer = await verify(app, questions, credential)
  if (caller === undefined) return expect(answer).toBe('UNAUTHENTICATED')
  if (!may(caller, 'keys.verify')) return expect(answer).toBe('FORBIDDEN')
  expect(answer).toEqual(inquiries.map((inquiry) => verdictAsSeen(world, caller, inquiry)))
}

/** Everything at once, as root sees it. */
export async function agreeOnEverything(world: World, app: TestApp): Promise<void> {
  await agreeOnAccounts(world, app)
  await agreeOnHistory(world, app)
  for (const key of world.keys.values()) await agreeOnKey(world, app, key)
  const secrets = [...world.keys.values()].flatMap((key) =>
    key.codes.map(({ secret }) => ({ key: secret, keyspaceId: key.keyspaceId })),
  )
  for (let start = 0; start < secrets.length; start += 100) {
    const inquiries = secrets.slice(start, start + 100).map((question) => ({ ...question, wish: null }))
    await agreeOnVerdicts(world, app, 'ROOT', app.rootKey, inquiries)
  }
}
