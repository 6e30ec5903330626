// Deny by default: every field says what it needs, and that is asked for before anything is touched. Which query and mutation
// needs what is held against docs/authorization.md (authorization-matrix.test.ts).
import { type GraphQLNamedType, getNamedType, isInterfaceType, isNonNullType, isObjectType } from 'graphql'
import { describe, expect, test } from 'vitest'
import { MANAGEMENT_PERMISSIONS } from '#domain/permission.ts'
import { demand, type Need } from '#graphql/needs.ts'
import { schema } from '#graphql/schema.ts'
import {
  ask,
  callerWith,
  documentFor,
  type FieldOfSchema,
  fields,
  fieldsOf,
  needOf,
  needsOf,
  ROOT,
  untouchable,
} from './support.ts'

const nameOf = ({ of, name }: FieldOfSchema) => `${of}.${name}`

const ROOTS = ['Query', 'Mutation', 'Subscription']
const rootFields = ROOTS.flatMap(fieldsOf)

/** Leads to a thing with an id, or to a list of such. */
function leadsOn({ field }: FieldOfSchema): boolean {
  const type = getNamedType(field.type)
  if (type.name.endsWith('Connection')) return true
  if (isInterfaceType(type)) return type.name === 'Node'
  return isNode(type)
}

function isNode(type: GraphQLNamedType | undefined): boolean {
  return isObjectType(type) && type.getInterfaces().some(({ name }) => name === 'Node')
}

function allNeeds(some: readonly FieldOfSchema[]): Record<string, Need | readonly Need[] | undefined> {
  return Object.fromEntries(some.map((field) => [nameOf(field), needOf(field)]))
}

/** These fields, and all of what they lead to. */
function reachedFrom(some: readonly FieldOfSchema[]): readonly FieldOfSchema[] {
  const reached = new Set(some)
  for (const { field } of reached) {
    const { name } = getNamedType(field.type)
    for (const next of fieldsOf(name)) reached.add(next)
    for (const next of fields.filter(({ of }) => name === 'Node' && isNode(schema.getType(of)))) reached.add(next)
  }
  return [...reached]
}

describe('what fields need', () => {
  test('every field says it', () => {
    expect(fields.length).toBeGreaterThan(100)
    expect(fields.filter((field) => needOf(field) === undefined).map(nameOf)).toEqual([])
  })

  test('it is a right that there is', () => {
    const rights: readonly unknown[] = ['parent', 'caller', 'root', ...MANAGEMENT_PERMISSIONS]
    expect(fields.filter((field) => needsOf(field).some((need) => !rights.includes(need))).map(nameOf)).toEqual([])
  })

  test('no field leads from one thing to another without a right, but to what it is a part of or made of', () => {
    const ofThings = fields.filter(({ of }) => !ROOTS.includes(of) && !/(Success|Edge|Connection)$/.test(of))
    expect(allNeeds(ofThings.filter(leadsOn))).toEqual({
      'Account.managementKeyspace': 'parent',
      'Account.keyspaces': 'parent',
      'Account.keyspace': 'parent',
      'Account.policies': 'accounts.read',
      'Account.policy': 'accounts.read',
      'Account.keys': 'keys.read',
      'Account.links': 'accounts.read',
      'Account.users': 'accounts.read',
      'Account.user': 'accounts.read',
      'Account.events': 'events.read',
      'Account.accessLog': 'logs.read',
      'Keyspace.account': 'parent',
      'Keyspace.keys': 'keys.read',
      'Keyspace.events': 'events.read',
      'ApiKey.account': 'parent',
      'ApiKey.keyspace': 'parent',
      'ApiKey.policies': 'parent',
      'ApiKey.owner': 'parent',
      'ApiKey.actsAs': 'parent',
      'Policy.account': 'parent',
      'ApiKey.codes': 'parent',
      'ApiKey.rotations': 'parent',
      'ApiKey.openRotations': 'parent',
      'ApiKey.events': 'events.read',
      'ApiKey.accessLog': 'logs.read',
      'AccessCode.key': 'parent',
      'AccessCode.replacedBy': 'parent',
      'IssuedCode.accessCode': 'parent',
      'Rotation.key': 'parent',
      'Rotation.retired': 'parent',
      'Rotation.replacement': 'parent',
      'Event.account': 'parent',
      'CodeExposure.code': 'parent',
      'CodeExposure.actions': 'parent',
      'VerificationExplanation.decidedBy': 'events.read',
      'VerificationFact.event': 'events.read',
      'Event.subject': 'caller',
      'PlannedEvent.subject': 'caller',
      'StoppedCode.accessCode': 'parent',
      'StoppedCode.link': 'parent',
      'KeyLink.account': 'parent',
      'KeyLink.keyspace': 'parent',
      'KeyLink.policies': 'parent',
      'User.account': 'parent',
      'User.keys': 'keys.read',
      'User.defaultKey': 'keys.read',
      'Viewer.account': 'parent',
    })
  })

  test('none that can not be null needs a right of its own, or an answer would be lost with all that is in it', () => {
    const reached = reachedFrom(fields.filter(({ of }) => of.endsWith('Success')))
    expect(reached.length).toBeGreaterThan(100)
    const lossy = reached.filter((field) => isNonNullType(field.field.type) && needOf(field) !== 'parent')
    expect(lossy.map(nameOf)).toEqual([])
  })

  test('how many keys are active takes the right to read keys', () => {
    expect(allNeeds(fieldsOf('Keyspace'))).toMatchObject({ 'Keyspace.activeKeyCount': 'keys.read' })
  })

  test('the answer to a mutation may be read by whoever ran it', () => {
    const payloads = fields.filter(({ of }) => of.endsWith('Success'))
    expect(payloads.length).toBeGreaterThan(30)
    expect(payloads.filter((field) => needOf(field) !== 'parent').map(nameOf)).toEqual([])
  })
})

describe('before anything is touched', () => {
  test.each(rootFields.map((field) => [nameOf(field), field] as const))(
    '%s turns away who has no credentials',
    async (_name, field) => {
      const { errors } = await ask(documentFor(field), untouchable(undefined))
      expect(errors?.map((error) => [error.extensions.code, error.path])).toEqual([['UNAUTHENTICATED', [field.name]]])
    },
  )

  const guarded = rootFields.filter((field) => needOf(field) !== 'caller')

  test.each(guarded.map((field) => [nameOf(field), field] as const))(
    '%s turns away who lacks the right',
    async (_name, field) => {
      for (const need of needsOf(field)) {
        const others = MANAGEMENT_PERMISSIONS.filter((permission) => permission !== need)
        const { errors } = await ask(documentFor(field), untouchable(callerWith(...others)))
        expect(errors?.map((error) => error.extensions.code)).toEqual(['FORBIDDEN'])
        expect(errors?.[0]?.message).toContain(need === 'root' ? 'the root key' : need)
      }
    },
  )

  test.each(guarded.map((field) => [nameOf(field), field] as const))('%s lets in who has it', async (_name, field) => {
    const needs = needsOf(field)
    const caller = needs.includes('root') ? ROOT : callerWith(...needs)
    const { errors } = await ask(documentFor(field), untouchable(caller))
    expect(errors?.[0]?.message).toMatch(/^touched /)
  })

  test.each([
    ['acct_', 'accounts.read'],
    ['ks_', 'accounts.read'],
    ['key_', 'keys.read'],
    ['code_', 'keys.read'],
    ['rot_', 'keys.read'],
    ['lnk_', 'accounts.read'],
    ['usr_', 'accounts.read'],
    ['evt_', 'events.read'],
  ])('node of %s needs %s', async (prefix, permission) => {
    const source = `{ node(id: "${prefix}0000000000000000000000") { id } }`
    const others = MANAGEMENT_PERMISSIONS.filter((other) => other !== permission)
    const denied = await ask(source, untouchable(callerWith(...others)))
    expect(denied.errors?.map((error) => error.extensions.code)).toEqual(['FORBIDDEN'])
    const allowed = await ask(source, untouchable(callerWith(permission)))
    expect(allowed.errors?.[0]?.message).toMatch(/^touched loaders/)
  })

  test('an id of no kind is nothing, whoever asks', async () => {
    expect(await ask('{ node(id: "nothing") { id } }', untouchable(callerWith()))).toEqual({ data: { node: null } })
  })
})

describe('demand', () => {
  test('root may do everything', () => {
    for (const right of ['caller', 'root', ...MANAGEMENT_PERMISSIONS] as const) expect(demand(ROOT, right)).toBe(ROOT)
  })

  test('a key with * may do everything but what only root may', () => {
    const caller = callerWith('*')
    for (const right of ['caller', ...MANAGEMENT_PERMISSIONS] as const) expect(demand(caller, right)).toBe(caller)
    expect(() => demand(caller, 'root')).toThrow('This needs the root key.')
  })

  test('a key with nothing is a caller all the same', () => {
    const caller = callerWith()
    expect(demand(caller, 'caller')).toBe(caller)
    expect(() => demand(caller, 'keys.read')).toThrow('This needs the permission keys.read')
  })
})
