// Whoever may run a mutation may read its whole answer: the secret in it is told once, and must not be lost to a right that is
// lacking somewhere below.
import { getNamedType, isInterfaceType, isLeafType, isNonNullType, isObjectType, isRequiredArgument } from 'graphql'
import { afterAll, expect, test } from 'vitest'
import { schema } from '#graphql/schema.ts'
import { startTestApp } from '#test/support/app.ts'

const app = await startTestApp()
afterAll(() => app.close())

/** Deep enough for `key { account { keyspaces { nodes } } }`, and within the limits of one operation. */
const DEPTH = 4

/** All that can not be null of a type, and of what it leads to; lists of things as they are, and none of their members twice. */
function selectionOf(typeName: string, depth: number): string {
  if (isInterfaceType(schema.getType(typeName))) return '{ __typename }'
  return `{ __typename ${selectionsOf(typeName, depth).join(' ')} }`
}

function selectionsOf(typeName: string, depth: number): readonly string[] {
  const type = schema.getType(typeName)
  if (!isObjectType(type)) return []
  return Object.values(type.getFields()).flatMap((field) => {
    const inner = getNamedType(field.type)
    if (!isNonNullType(field.type) || field.args.some(isRequiredArgument)) return []
    if (isLeafType(inner)) return [field.name]
    if (depth === 0 || inner.name.endsWith('Edge')) return []
    return [
      `${field.name}${field.args.some(({ name }) => name === 'first') ? '(first: 1)' : ''} ${selectionOf(inner.name, depth - 1)}`,
    ]
  })
}

test('with nothing but the right to write keys, the secret of a new key comes with all that can not be null', async () => {
  const { accountId } = await app.createAccount()
  const keyspaceId = await app.createKeyspace(accountId)
  const credential = await app.createCredential(accountId, ['keys.write'])
  const keyspaces = 'account { managementKeyspace { id name } keyspaces { nodes { id } totalCount } }'
  // One after the other: together they are more than one operation may ask for.
  for (const selection of [`key { ${keyspaces} }`, ...selectionsOf('CreateKeySuccess', DEPTH)]) {
    const { data, errors } = await app.execute<{ createKey: { issued: { secret: string }[] } }, object>(
      `mutation ($keyspaceId: ID!) { createKey(input: { keyspaceId: $keyspaceId, name: "new" }) {
        ... on CreateKeySuccess { issued { secret } ${selection} } } }`,
      { keyspaceId },
      { credential },
    )
    expect(errors).toEqual([])
    expect(data?.createKey.issued).toMatchObject([{ secret: expect.stringMatching(/^key_/) }])
  }
})

test('what may be null is null with an error of its own, and leaves the secret', async () => {
  const { accountId } = await app.createAccount()
  const keyspaceId = await app.createKeyspace(accountId)
  const credential = await app.createCredential(accountId, ['keys.write'])
  const { data, errors } = await app.execute<{ createKey: object }, object>(
    `mutation ($keyspaceId: ID!) { createKey(input: { keyspaceId: $keyspaceId, name: "new" }) {
      ... on CreateKeySuccess { issued { secret } key { account { keyspaces { nodes { id keys { nodes { id } } } } } } } } }`,
    { keyspaceId },
    { credential },
  )
  expect(new Set(errors.map(({ extensions }) => extensions?.code))).toEqual(new Set(['FORBIDDEN']))
  expect(data).toMatchObject({
    createKey: {
      issued: [{ secret: expect.stringMatching(/^key_/) }],
      key: { account: { keyspaces: { nodes: [{ keys: null }, { keys: null }] } } },
    },
  })
})
