// Where every random life begins.
import type { TestApp } from '#test/support/app.ts'
import { perform, type Real } from './commands.ts'
import type { Input, Mutation } from './decision.ts'
import { nothingRecorded } from './recorded.ts'
import { FIRST_CREDENTIAL } from './requests.ts'
import { type Key, newWorld, type World } from './world.ts'

/** All there is at first: two tenants, the second one's rules strict, each with credentials, people, a policy, a keyspace and a key. */
export async function begin(app: TestApp): Promise<{ model: World; real: Real }> {
  const world = newWorld(Date.parse(app.clock.now()))
  const real: Real = { app, sent: [], recorded: nothingRecorded() }
  const done = (mutation: Mutation, input: Input) => perform(world, real, { mutation, input, credential: app.rootKey })
  const strict = { activeKeysMax: 3, codeLifetimeDays: 30, customSecrets: true, codeDeletion: 'WHEN_DISABLED' } as const
  const theirs = { secretDisplay: 'REVEALABLE', managedBy: 'OWNERS', defaultKeys: true } as const
  const last = <Thing>(things: Map<string, Thing>) => [...things.values()].at(-1) as Thing
  for (const rules of [theirs, strict]) {
    await done('createAccount', { name: 'tenant' })
    const { id: accountId, managementKeyspaceId: keyspaceId } = last(world.accounts)
    await done('addUser', { accountId, externalId: 'zoe', role: 'ADMINISTRATOR' })
    await done('addUser', { accountId, externalId: 'max', role: 'MEMBER', permissions: ['ads.*', 'keys.write'] })
    const credentials = [{ permissions: ['*'] }, { permissions: ['keys.write', 'keys.verify'] }]
    for (const given of [...credentials, { permissions: ['*'], actsAs: 'zoe' }, { permissions: ['*'], actsAs: 'max' }])
      await done('createKey', { keyspaceId, name: FIRST_CREDENTIAL, ...given })
    await done('createPolicy', { accountId, name: 'first', description: 'to read', permissions: ['ads.read'] })
    await done('createKeyspace', { accountId, name: 'main', rules })
    const given = { ownerId: last(world.users).id, policyIds: [last(world.policies).id] }
    await done('createKey', { keyspaceId: last(world.keyspaces).id, name: 'first', codes: [{}, {}], ...given })
  }
  // What the second one's keys grant stays from here on, unless the keyspace is opened again for those to come.
  await done('updateKeyspace', { keyspaceId: last(world.keyspaces).id, rules: { authorizations: 'FROZEN' } })
  // Each one's key is let in by the other.
  const [one, two] = [...world.keys.values()].filter(({ name }) => name === 'first') as [Key, Key]
  for (const [key, { accountId, policyIds }] of [
    [one, two],
    [two, one],
  ] as const)
    await done('linkKey', { accountId, keyId: key.id, keyspaceId: null, policyIds })
  return { model: world, real }
}
