// Plans of the statements that our code really sends, caught on their way into pg.
import type pg from 'pg'
import type { Database } from '#database/connect.ts'
import { type Sent, statementsOf } from './statements.ts'

export type PlanNode = {
  readonly 'Node Type': string
  readonly 'Relation Name'?: string
  readonly Alias?: string
  readonly 'Index Name'?: string
  readonly 'Actual Rows'?: number
  readonly 'Shared Hit Blocks'?: number
  readonly 'Shared Read Blocks'?: number
  readonly Plans?: readonly PlanNode[]
}

/** The statements with parameters that were sent while `work` ran. */
export async function sentBy(work: () => Promise<unknown>): Promise<readonly Sent[]> {
  return (await statementsOf(work)).filter(({ values }) => values.length > 0)
}

/** The plan for these values, as it ran. */
export async function planFor(owner: Database, { text, values }: Sent): Promise<PlanNode> {
  const explained = { text: `EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ${text}`, values: [...values] }
  return rootOf(await owner.pool.query(explained))
}

/** The plan for any values, to which a named statement may come; undefined before PostgreSQL 16, which can't tell. */
export async function planForAny(owner: Database, { text }: Sent): Promise<PlanNode | undefined> {
  const { rows } = await owner.pool.query<{ version: number }>(
    `SELECT current_setting('server_version_num')::int AS version`,
  )
  if ((rows[0]?.version ?? 0) < 160_000) return undefined
  return rootOf(await owner.pool.query(`EXPLAIN (GENERIC_PLAN, FORMAT JSON) ${text}`))
}

export function nodesOf(plan: PlanNode): readonly PlanNode[] {
  return [plan, ...(plan.Plans ?? []).flatMap(nodesOf)]
}

export function indexesOf(plan: PlanNode): readonly string[] {
  return [...new Set(nodesOf(plan).flatMap((node) => node['Index Name'] ?? []))].sort()
}

/** Tables that grow without end; others may be small enough to be read whole. */
const LARGE: readonly (string | undefined)[] = ['key', 'code', 'rotation', 'event', 'key_use', 'code_use', 'code_day']

/** Large tables that are read from end to end. */
export function seqScansOf(plan: PlanNode): readonly string[] {
  return nodesOf(plan)
    .filter((node) => node['Node Type'].endsWith('Seq Scan') && LARGE.includes(node['Relation Name']))
    .map((node) => node['Relation Name'] ?? '')
}

/** Sorts of rows as a table gives them, rather than of a few that are limited already. */
export function sortsOf(plan: PlanNode): readonly string[] {
  const unlimited = (node: PlanNode): readonly PlanNode[] =>
    node['Node Type'] === 'Limit' ? [] : [node, ...(node.Plans ?? []).flatMap(unlimited)]
  return nodesOf(plan)
    .filter((node) => node['Node Type'].endsWith('Sort'))
    .flatMap((sort) => unlimited(sort).flatMap((node) => node['Relation Name'] ?? []))
}

/** Pages of 8 kB that were looked at. */
export function blocksOf(plan: PlanNode): number {
  return (plan['Shared Hit Blocks'] ?? 0) + (plan['Shared Read Blocks'] ?? 0)
}

function rootOf({ rows }: pg.QueryResult): PlanNode {
  const [row] = rows as readonly { readonly 'QUERY PLAN': readonly { readonly Plan: PlanNode }[] }[]
  const plan = row?.['QUERY PLAN'][0]?.Plan
  if (plan === undefined) throw new Error('There is no plan')
  return plan
}
