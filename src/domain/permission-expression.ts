// What a verification asks for: permissions joined by AND and OR, as in `ads.read AND (reports.read OR reports.export)`.
// The text comes from clients: it is parsed in one pass without recursion and bounded in length and in nesting.
import { unreachable } from './invariant.ts'
import { covers, isPermission } from './permission.ts'

/** In UTF-16 code units, like every position here. */
const EXPRESSION_LENGTH_MAX = 512
/** Parentheses within parentheses; evaluation recurses as deep. */
const NESTING_MAX = 16

const TOKEN = /[()]|[^()\s]+/g

export type PermissionExpression =
  | { readonly kind: 'permission'; readonly permission: string }
  | { readonly kind: 'and' | 'or'; readonly operands: readonly PermissionExpression[] }

export type ParsedExpression =
  | { readonly kind: 'parsed'; readonly expression: PermissionExpression }
  /** `position` is 1-based; one past the last character means the end. */
  | { readonly kind: 'malformed'; readonly position: number; readonly expected: string }

/** What stands between one pair of parentheses as far as it has been read; the whole text is such a group too. */
type Group = { readonly alternatives: PermissionExpression[]; operands: PermissionExpression[] }

/** AND binds tighter than OR. Operators are upper-case; a wildcard can be granted, not asked for. */
export function parseExpression(text: string): ParsedExpression {
  if (text.length > EXPRESSION_LENGTH_MAX) {
    return malformed(
      EXPRESSION_LENGTH_MAX + 1,
      `the end: an expression has at most ${EXPRESSION_LENGTH_MAX} characters`,
    )
  }
  const enclosing: Group[] = []
  let group: Group = { alternatives: [], operands: [] }
  let wantsOperand = true
  for (const { 0: token, index } of text.matchAll(TOKEN)) {
    if (wantsOperand) {
      if (token === '(') {
        if (enclosing.length === NESTING_MAX)
          return malformed(index + 1, `no more than ${NESTING_MAX} levels of parentheses`)
        enclosing.push(group)
        group = { alternatives: [], operands: [] }
        continue
      }
      if (!isPermission(token, { wildcard: false })) return malformed(index + 1, operandInsteadOf(token))
      group.operands.push({ kind: 'permission', permission: token })
      wantsOperand = false
    } else if (token === 'AND') {
      wantsOperand = true
    } else if (token === 'OR') {
      group.alternatives.push(joined('and', group.operands))
      group.operands = []
      wantsOperand = true
    } else {
      const outer = token === ')' ? enclosing.pop() : undefined
      if (outer === undefined) return malformed(index + 1, continuation(enclosing))
      outer.operands.push(wholeOf(group))
      group = outer
    }
  }
  const end = text.length + 1
  if (wantsOperand) return malformed(end, 'a permission or (')
  return enclosing.length > 0 ? malformed(end, continuation(enclosing)) : { kind: 'parsed', expression: wholeOf(group) }
}

/** Whether the granted permissions give what the expression asks for. */
export function evaluate(expression: PermissionExpression, granted: readonly string[]): boolean {
  switch (expression.kind) {
    case 'permission':
      return covers(granted, expression.permission)
    case 'and':
      return expression.operands.every((operand) => evaluate(operand, granted))
    case 'or':
      return expression.operands.some((operand) => evaluate(operand, granted))
    default:
      return unreachable(expression)
  }
}

function wholeOf({ alternatives, operands }: Group): PermissionExpression {
  return joined('or', [...alternatives, joined('and', operands)])
}

function joined(kind: 'and' | 'or', operands: readonly PermissionExpression[]): PermissionExpression {
  const [first, ...others] = operands
  return first !== undefined && others.length === 0 ? first : { kind, operands }
}

function operandInsteadOf(token: string): string {
  return isPermission(token, { wildcard: true }) ? 'a permission without a wildcard' : 'a permission or ('
}

function continuation(enclosing: readonly Group[]): string {
  return enclosing.length > 0 ? 'AND, OR or )' : 'AND, OR or the end'
}

function malformed(position: number, expected: string): ParsedExpression {
  return { kind: 'malformed', position, expected }
}
