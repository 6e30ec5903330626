import { getNamedType, parse } from 'graphql'
import { describe, expect, test } from 'vitest'
import { carriesSecrets, SECRET_FIELDS } from '#graphql/secret-fields.ts'
import { fieldsOf } from './support.ts'

describe('operations that carry secrets', () => {
  test('are those that are given a key to verify, and no others', () => {
    const verifying = fieldsOf('Query').filter(({ field }) =>
      field.args.some((arg) => ['VerifyKeyInput', 'ExplainVerificationInput'].includes(getNamedType(arg.type).name)),
    )
    expect(new Set(verifying.map(({ name }) => name))).toEqual(SECRET_FIELDS)
  })

  test.each([
    ['plainly', '{ verifyKey(input: { key: "x" }) { valid } }'],
    ['to be explained', '{ explainVerification(input: { key: "x" }) { verdict { code } } }'],
    ['in a batch', 'query ($i: [VerifyKeyInput!]!) { verifyKeys(inputs: $i) { valid } }'],
    ['under another name', '{ viewer: verifyKey(input: { key: "x" }) { valid } }'],
    ['in an inline fragment', '{ ... { ... on Query { verifyKey(input: { key: "x" }) { valid } } } }'],
    [
      'in a fragment of a fragment',
      '{ ...A } fragment A on Query { ...B } fragment B on Query { verifyKey(input: { key: "x" }) { valid } }',
    ],
    [
      'in an operation that is not the one to run',
      'query A { viewer { kind } } query B { verifyKey(input: { key: "x" }) { valid } }',
    ],
    ['even where it is skipped', '{ verifyKey(input: { key: "x" }) @skip(if: true) { valid } }'],
  ])('are found: %s', (_how, source) => {
    expect(carriesSecrets(parse(source))).toBe(true)
  })

  test('others are not', () => {
    expect(carriesSecrets(parse('{ verifyKeys_: viewer { label } key(id: "verifyKey") { name } }'))).toBe(false)
  })
})
