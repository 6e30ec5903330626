// Where the world of the model and the product are held against each other.
import { expect } from 'vitest'
import type { TestApp } from '#test/support/app.ts'
import {
  type Given,
  type Question,
  readAccount,
  readDirectory,
  readHistory,
  readKey,
  type Verdict,
  verify,
} from './api.ts'
import { type Caller, callerBy, may, sees } from './callers.ts'
import { linkOf } from './directory.ts'
import { type Asked, effective, grantsOf, grantsOfPolicies, limitOf, verdictOn } from './grants.ts'
import { activeKeys, codeStatus, keyStatus, shownCodes } from './standing.ts'
import { type Code, codesOf, type Grant, type Key, keyspaceOf, type Link, type World } from './world.ts'

export function instantText(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString()
}

function codeAsSeen({ id, slot, enabled, description, expiresAt, ...code }: Code, key: Key, now: number) {
  const status = codeStatus({ id, slot, enabled, description, expiresAt, ...code }, key, now)
  return { id, slot, status, enabled, description, expiresAt: instantText(expiresAt) }
}

const idOf = (id: string | null) => (id === null ? null : { id })

function keyAsSeen(world: World, key: Key) {
  const { id, name, description, tags, metadata, permissions, enabled, version, keyspaceId } = key
  return {
    ...{ id, name, description, tags, metadata, permissions, enabled, version },
    keyspace: { id: keyspaceId },
    status: keyStatus(key, world.now),
    expiresAt: instantText(key.expiresAt),
    codes: shownCodes(key, world.now).map((code) => codeAsSeen(code, key, world.now)),
    policies: key.policyIds.filter((policyId) => !world.policies.get(policyId)?.gone).map(idOf),
    ...{ owner: idOf(key.ownerId), actsAs: idOf(key.actsAsId), authorizationsFrozen: key.frozen !== null },
    effectivePermissions: effective(grantsOf(world, key), limitOf(world, key)),
  }
}

const byId = (a: { id: string }, b: { id: string }) => (a.id < b.id ? -1 : 1)

/** One key, with every code it ever had. */
export async function agreeOnKey(world: World, app: TestApp, key: Key): Promise<void> {
  const seen = await readKey(app, key.id)
  const allCodes = key.codes.map((code) => codeAsSeen(code, key, world.now))
  expect({ ...seen, allCodes: seen?.allCodes?.toSorted(byId) }).toEqual({
    ...keyAsSeen(world, key),
    allCodes: allCodes.toSorted(byId),
  })
}

/** Everything that lists tell. */
export async function agreeOnAccounts(world: World, app: TestApp): Promise<void> {
  for (const { id, name, history } of world.accounts.values()) {
    const account = await readAccount(app, id)
    expect([account.name, account.position]).toEqual([name, String(history.length)])
    const keyspaces = [...world.keyspaces.values()].filter(({ accountId, gone }) => accountId === id && !gone)
    expect(account.keyspaces.toSorted(byId)).toEqual(
      keyspaces
        .map(({ id: keyspaceId, name, version, rules }) => {
          return { id: keyspaceId, name, version, rules, activeKeyCount: activeKeys(world, keyspaceId) }
        })
        .sort(byId),
    )
    const keys = [...world.keys.values()].filter(({ accountId }) => accountId === id)
    expect(account.keys.toSorted(byId)).toEqual(keys.map((key) => keyAsSeen(world, key)).sort(byId))
    await agreeOnDirectory(world, app, id)
  }
}

async function agreeOnDirectory(world: World, app: TestApp, accountId: string): Promise<void> {
  const of = <Thing extends { accountId: string; gone: boolean }>(things: Map<string, Thing>) =>
    [...things.values()].filter((thing) => thing.accountId === accountId && !thing.gone)
  const expected = {
    policies: of(world.policies).map(({ accountId: _, gone: __, ...policy }) => policy),
    users: of(world.users).map(({ accountId: _, gone: __, ...user }) => user),
    links: of(world.links).map((link) => linkAsSeen(world, link)),
  }
  const seen = Object.entries(await readDirectory(app, accountId))
  expect(Object.fromEntries(seen.map(([name, things]) => [name, things.toSorted(byId)]))).toEqual(
    Object.fromEntries(Object.entries(expected).map(([name, things]) => [name, things.toSorted(byId)])),
  )
}

/** Of another account's key no more than its name, and whether it is any good there. */
function linkAsSeen(world: World, { id, keyId, keyspaceId, policyIds, version }: Link) {
  const key = world.keys.get(keyId) as Key
  const active = keyStatus(key, world.now) === 'ACTIVE'
  return { id, keyId, keyName: key.name, active, version, keyspace: idOf(keyspaceId), policies: policyIds.map(idOf) }
}

export async function agreeOnHistory(world: World, app: TestApp): Promise<void> {
  for (const { id, history } of world.accounts.values()) expect(await readHistory(app, id)).toEqual(history)
}

export type Inquiry = Question & Pick<Asked, 'wish'>

const NOT_FOUND: Verdict = {
  ...{ code: 'NOT_FOUND', keyId: null, codeId: null, linkId: null, accountId: null, owner: null, actsAs: null },
  ...{ permissions: [], expiresAt: null },
}

type Match = { readonly key: Key; readonly code: Code; readonly link?: Link }

function isHome(world: World, caller: Caller, { keyspaceId, accountId }: Inquiry, { key }: Match): boolean {
  if (!sees(caller, key.accountId) || (accountId !== undefined && accountId !== key.accountId)) return false
  return keyspaceId === undefined ? !keyspaceOf(world, key).management : keyspaceId === key.keyspaceId
}

/** By which the key is let in where it is asked about: into the one keyspace, or into all of the account. */
function linkAsked(world: World, caller: Caller, { keyspaceId, accountId }: Inquiry, { key }: Match): Link | undefined {
  const keyspace = world.keyspaces.get(keyspaceId ?? '')
  const isOpen = keyspaceId === undefined || (keyspace !== undefined && !keyspace.management && !keyspace.gone)
  const place = accountId ?? caller.accountId ?? keyspace?.accountId
  if (!isOpen || place === undefined || !sees(caller, place)) return undefined
  if (keyspace !== undefined && keyspace.accountId !== place) return undefined
  const link = linkOf(world, place, key.id)
  return keyspace === undefined || [null, keyspace.id].includes(link?.keyspaceId ?? null) ? link : undefined
}

function verdictAsSeen(world: World, caller: Caller, inquiry: Inquiry): Verdict {
  const { key: secret, wish, endpoint = null } = inquiry
  const matches = codesOf(world, secret).flatMap((found): Match[] => {
    const link = linkAsked(world, caller, inquiry, found)
    return [
      ...(isHome(world, caller, inquiry, found) ? [found] : []),
      ...(link === undefined ? [] : [{ ...found, link }]),
    ]
  })
  // A keyspace's own is meant where it is named: it has one code of a secret at most.
  const own = inquiry.keyspaceId === undefined ? undefined : matches.find(({ link }) => link === undefined)
  const match = own ?? (matches.length === 1 ? matches[0] : undefined)
  if (match === undefined) return NOT_FOUND
  const { key, code, link } = match
  const ends = [key.expiresAt, code.expiresAt, code.overlapEndsAt].filter((end) => end !== null)
  const granted: readonly Grant[] | null = link === undefined ? null : grantsOfPolicies(world, link.policyIds)
  const named = (userId: string | null) => {
    const user = world.users.get(userId ?? '')
    if (user === undefined) return null
    return user.erased ? '(erased)' : user.externalId
  }
  return {
    code: verdictOn(world, code, key, { wish, endpoint }, granted),
    keyId: key.id,
    accountId: (link ?? key).accountId,
    linkId: link?.id ?? null,
    ...(link === undefined
      ? { codeId: code.id, owner: named(key.ownerId), actsAs: named(key.actsAsId) }
      : { codeId: null, owner: null, actsAs: null }),
    permissions: granted === null ? effective(grantsOf(world, key), limitOf(world, key)) : effective(granted, null),
    expiresAt: instantText(ends.length === 0 ? null : Math.min(...ends)),
  }
}

/** What a caller is told of secrets, good and bad. Answers the verdicts, none where there were none to give. */
export async function agreeOnVerdicts(
  world: World,
  app: TestApp,
  caller: Caller | undefined,
  credential: string | null,
  inquiries: readonly Inquiry[],
): Promise<readonly Given[]> {
  if (inquiries.length === 0) return []
  const questions = inquiries.map(({ wish: _, ...question }) => question)
  const answer = await verify(app, questions, credential)
  if (typeof answer === 'string') {
    expect(answer).toBe(caller === undefined ? 'UNAUTHENTICATED' : 'FORBIDDEN')
    expect(caller === undefined || !may(caller, 'keys.verify')).toBe(true)
    return []
  }
  expect(answer.map(({ checkedAt: _, position: __, ...verdict }) => verdict)).toEqual(
    inquiries.map((inquiry) => verdictAsSeen(world, caller as Caller, inquiry)),
  )
  return answer
}

/** Everything at once, as root sees it. */
export async function agreeOnEverything(world: World, app: TestApp): Promise<void> {
  await agreeOnAccounts(world, app)
  await agreeOnHistory(world, app)
  for (const key of world.keys.values()) await agreeOnKey(world, app, key)
  const secrets = [...world.keys.values()].flatMap((key) =>
    key.codes.filter(({ secret }) => secret !== '').map(({ secret }) => ({ key: secret, keyspaceId: key.keyspaceId })),
  )
  for (let start = 0; start < secrets.length; start += 100) {
    const inquiries = secrets.slice(start, start + 100).map((question) => ({ ...question, wish: null }))
    await agreeOnVerdicts(world, app, callerBy(world, app.rootKey, app.rootKey), app.rootKey, inquiries)
  }
}
