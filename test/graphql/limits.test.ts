// How large an operation may be: enough for every example and every tool, never enough for 101 verifications.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { complexityFromQuery } from '@pothos/plugin-complexity'
import {
  type DocumentNode,
  type GraphQLNamedType,
  getIntrospectionQuery,
  getNamedType,
  isEnumType,
  isInputObjectType,
  isRequiredInputField,
  Kind,
  type NamedTypeNode,
  parse,
  specifiedRules,
  typeFromAST,
  validate,
} from 'graphql'
import { describe, expect, test } from 'vitest'
import { toClientError } from '#graphql/errors.ts'
import { LIMITS } from '#graphql/limits.ts'
import { schema } from '#graphql/schema.ts'
import { ask, ROOT, untouchable } from './support.ts'

const OPERATIONS = join(import.meta.dirname, '../../schema/operations')

/** As much as can be asked for: whole pages, and a whole batch. Inputs of mutations count nothing. */
const VARIABLES = {
  first: 100,
  accountId: 'x',
  from: '1',
  keyId: 'x',
  keyspaceId: 'x',
  codeId: 'x',
  eventId: 'x',
  policyId: 'x',
  name: 'x',
  linkId: 'x',
  userId: 'x',
  externalId: 'x',
  secret: 'x',
  id: 'x',
  at: '2026-01-01T00:00:00.000Z',
  inputs: Array.from({ length: 100 }, () => ({ key: 'x' })),
}

function verifications(count: number): string {
  const aliases = Array.from({ length: count }, (_, index) => `v${index}: verifyKey(input: { key: "x" }) { valid }`)
  return `{ ${aliases.join(' ')} }`
}

/** What each root field was answered: a code, or the message of what was touched. */
async function answerTo(source: string, variables = {}) {
  const { errors } = await ask(source, untouchable(ROOT), variables)
  return new Set(errors?.map((error) => error.extensions.code ?? error.message))
}

const TOO_LARGE = new Set(['OPERATION_TOO_LARGE'])

describe('what everybody needs fits', () => {
  test.each(readdirSync(OPERATIONS))('%s', (file) => {
    const document = parse(readFileSync(join(OPERATIONS, file), 'utf8'))
    expect(validate(schema, document)).toEqual([])
    const variables = { ...VARIABLES, input: inputFor(document) }
    const measured = complexityFromQuery(document, { schema, variables })
    expect(measured.depth).toBeLessThanOrEqual(LIMITS.depth)
    expect(measured.breadth).toBeLessThanOrEqual(LIMITS.breadth)
    expect(measured.complexity).toBeLessThanOrEqual(LIMITS.complexity)
  })

  test('introspection, as tools and GraphiQL ask for it', async () => {
    for (const source of [
      getIntrospectionQuery(),
      getIntrospectionQuery({
        inputValueDeprecation: true,
        schemaDescription: true,
        specifiedByUrl: true,
        oneOf: true,
      }),
    ]) {
      const { errors, data } = await ask(source, untouchable(undefined))
      expect(errors).toBeUndefined()
      expect(data).toHaveProperty('__schema.types')
    }
  })

  test('100 verifications, with something beside them', () => {
    const measured = complexityFromQuery(verifications(100).replace('{', '{ __typename viewer { label }'), { schema })
    expect(measured.complexity).toBeLessThanOrEqual(LIMITS.complexity)
    expect(measured.breadth).toBeLessThanOrEqual(LIMITS.breadth)
  })

  test('the longest sensible way through things', () => {
    const source = `{ account(id: "x") { keyspaces(first: 1) { edges { node { keys(first: 1) { edges { node { rotations(first: 1) {
      edges { node { retired { issuedBy { label } } } } } } } } } } } } }`
    expect(complexityFromQuery(source, { schema }).depth).toBeLessThanOrEqual(LIMITS.depth)
  })
})

describe('what would cost too much is refused before anything is read', () => {
  test('101 verifications by aliases', async () => {
    expect(await answerTo(verifications(101))).toEqual(TOO_LARGE)
  })

  test('101 verifications by batches', async () => {
    const source =
      'query ($a: [VerifyKeyInput!]!, $b: [VerifyKeyInput!]!) { a: verifyKeys(inputs: $a) { valid } b: verifyKeys(inputs: $b) { valid } }'
    const keys = (length: number) => Array.from({ length }, () => ({ key: 'x' }))
    expect(await answerTo(source, { a: keys(100), b: keys(1) })).toEqual(TOO_LARGE)
    expect(await answerTo(source, { a: keys(51), b: keys(50) })).toEqual(TOO_LARGE)
  })

  test('101 verifications by one fragment, used again and again', async () => {
    const spreads = Array.from(
      { length: 100 },
      (_, index) => `... on Query { a${index}: verifyKey(input: { key: "x" }) { ...V } }`,
    )
    const source = `{ ${spreads.join(' ')} ...Last } fragment Last on Query { z: verifyKey(input: { key: "x" }) { ...V } } fragment V on KeyVerification { valid }`
    expect(await answerTo(source)).toEqual(TOO_LARGE)
  })

  test('a batch of 101 is told as what it is', async () => {
    const source = 'query ($inputs: [VerifyKeyInput!]!) { verifyKeys(inputs: $inputs) { valid } }'
    const { errors } = await ask(source, untouchable(ROOT), {
      inputs: Array.from({ length: 101 }, () => ({ key: 'x' })),
    })
    const error = errors?.[0] && toClientError(errors[0])
    expect(error?.extensions).toMatchObject({ code: 'INVALID_INPUT', issues: [{ path: ['inputs'] }] })
  })

  test('101 mutations', async () => {
    const aliases = Array.from(
      { length: 101 },
      (_, index) => `m${index}: enableKey(input: { keyId: "x" }) { __typename }`,
    )
    expect(await answerTo(`mutation { ${aliases.join(' ')} }`)).toEqual(TOO_LARGE)
  })

  test('long lists within long lists', async () => {
    const source = `{ account(id: "x") { keys(first: 100) { nodes { codes(retired: true) { issuedBy { label } } } } } }`
    expect(await answerTo(source)).toEqual(TOO_LARGE)
  })

  test('many lists side by side', async () => {
    const lists = Array.from({ length: 200 }, (_, index) => `l${index}: accounts(first: 100) { totalCount }`)
    expect(await answerTo(`{ ${lists.join(' ')} }`)).toEqual(TOO_LARGE)
  })

  test('going round and round', async () => {
    const round = (depth: number): string => (depth === 0 ? 'id' : `key { codes { ${round(depth - 1)} } }`)
    expect(await answerTo(`{ code(id: "x") { ${round(8)} } }`)).toEqual(TOO_LARGE)
  })

  test('the same field under hundreds of names', async () => {
    const names = Array.from({ length: 500 }, (_, index) => `n${index}: label`)
    expect(await answerTo(`{ viewer { ${names.join(' ')} } }`)).toEqual(TOO_LARGE)
  })

  test('fragments that double at each step, as quickly as anything', async () => {
    const steps = Array.from(
      { length: 30 },
      (_, step) => `fragment F${step} on Viewer { ...F${step + 1} ... on Viewer { ...F${step + 1} } }`,
    )
    const source = `{ viewer { ...F0 } } ${steps.join(' ')} fragment F30 on Viewer { label }`
    const measured = complexityFromQuery(source, { schema })
    expect(measured.breadth).toBeGreaterThan(LIMITS.breadth)
  })

  test('introspection that goes round and round', () => {
    const round = (depth: number): string => (depth === 0 ? 'name' : `fields { type { ${round(depth - 1)} } }`)
    expect(validate(schema, parse(`{ __schema { types { ${round(4)} } } }`), specifiedRules)).not.toEqual([])
  })
})

/** The least input that the operation's mutation takes. */
function inputFor(document: DocumentNode): unknown {
  const [operation] = document.definitions
  if (operation?.kind !== Kind.OPERATION_DEFINITION) return undefined
  const input = operation.variableDefinitions?.find(({ variable }) => variable.name.value === 'input')
  const type = input && typeFromAST(schema, input.type as NamedTypeNode)
  return type && leastOf(getNamedType(type))
}

function leastOf(named: GraphQLNamedType): unknown {
  if (isEnumType(named)) return named.getValues()[0]?.name
  if (named.name === 'DateTime') return '2026-01-01T00:00:00Z'
  if (!isInputObjectType(named)) return 'x'
  const required = Object.values(named.getFields()).filter((field) => isRequiredInputField(field))
  return Object.fromEntries(required.map(({ name, type }) => [name, leastOf(getNamedType(type))]))
}
