// A second set of state tables beside the live one, made from the catalog, so that the tables are described in one place: the
// migrations. Indexes come after the bulk of the rows, which is several times faster than keeping them up meanwhile.

import { statement } from '#database/connect.ts'
import { stateTables } from './project.ts'
import type { Run } from './replay.ts'

export const SHADOW = 'state_next'

/** Makes the tables, without indexes; drops what an interrupted rebuild left. */
export async function createShadow(run: Run): Promise<void> {
  await run(statement(`DROP SCHEMA IF EXISTS ${SHADOW} CASCADE`, []))
  await run(statement(`CREATE SCHEMA ${SHADOW}`, []))
  for (const { name } of stateTables) {
    await run(
      statement(`CREATE TABLE ${SHADOW}.${name} (LIKE state.${name} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)`, []),
    )
    // LIKE copies no storage parameters.
    const [options] = await run(
      statement<{ reloptions: string[] | null }>('SELECT reloptions FROM pg_class WHERE oid = $1::regclass', [
        `state.${name}`,
      ]),
    )
    if (options?.reloptions)
      await run(statement(`ALTER TABLE ${SHADOW}.${name} SET (${options.reloptions.join(', ')})`, []))
  }
}

/**
 * Gives the shadow the keys and indexes of the live tables, under the same names: all but those that keep rows of several streams
 * apart.
 */
export async function indexShadow(run: Run): Promise<void> {
  for (const { name } of stateTables) {
    const constraints = await run(
      statement<{ conname: string; definition: string }>(
        `SELECT conname, pg_get_constraintdef(oid) AS definition FROM pg_constraint
          WHERE conrelid = $1::regclass AND contype IN ('p', 'u') ORDER BY conname`,
        [`state.${name}`],
      ),
    )
    for (const { conname, definition } of constraints)
      await run(statement(`ALTER TABLE ${SHADOW}.${name} ADD CONSTRAINT ${conname} ${definition}`, []))
    await makeIndexes(run, name, { unique: false })
    await run(statement(`ANALYZE ${SHADOW}.${name}`, []))
  }
}

/**
 * Indexes by which a name, say, is one row's only, once the shadow has caught up with all that is committed. Before that it may have
 * the row that takes a name and not yet the change by which another gave it up.
 */
export async function indexUniques(run: Run): Promise<void> {
  for (const { name } of stateTables) await makeIndexes(run, name, { unique: true })
}

async function makeIndexes(run: Run, name: string, { unique }: { readonly unique: boolean }): Promise<void> {
  const indexes = await run(
    statement<{ definition: string }>(
      `SELECT pg_get_indexdef(indexrelid) AS definition FROM pg_index i
          WHERE indrelid = $1::regclass AND indisunique = $2
            AND NOT EXISTS (SELECT 1 FROM pg_constraint c WHERE c.conindid = i.indexrelid AND c.contype IN ('p', 'u'))`,
      [`state.${name}`, unique],
    ),
  )
  // The catalog quotes names that are words of SQL, such as user.
  for (const { definition } of indexes)
    await run(statement(definition.replace(/ ON state\.("?\w+"?) /, ` ON ${SHADOW}.$1 `), []))
}

/** Puts the shadow in the live tables' place; in a transaction that has locked these. */
export async function swapShadow(run: Run): Promise<void> {
  for (const { name } of stateTables) {
    await run(statement(`DROP TABLE state.${name}`, []))
    await run(statement(`ALTER TABLE ${SHADOW}.${name} SET SCHEMA state`, []))
  }
  await run(statement(`DROP SCHEMA ${SHADOW}`, []))
}
