// The work of a sealer, from the look whether there is anything to do to the record that anchors get. It signs only what follows
// from what was signed before and is as this server wrote it.
import { send } from '#database/connect.ts'
import { codeOf, messageOf } from '#database/embedded/errors.ts'
import { inTransaction } from '#database/transaction.ts'
import type { Keyring } from '#secret/keyring.ts'
import type { Keeper } from '../anchor/keeper.ts'
import type { LogRow } from '../store/logs.ts'
import { beginFirstLog, type FirstLogParts } from './first-log.ts'
import { claim, type Look, look, tellRefusal } from './lease.ts'
import { newestRecord } from './newest-record.ts'
import { type OnStep, sealBatch } from './seal-batch.ts'
import { type Known, knownByAnchors, problemOfLog } from './take-over.ts'

export type SealingParts = FirstLogParts & {
  readonly keyring: Keyring
  /** For tests: awaited between each two steps. */
  readonly onStep?: OnStep
}

export type Sealing = {
  /** Seals all that is there, as far as this sealer may. Rejects where the database can't be asked. */
  seal(): Promise<void>
  isRefusing(): boolean
}

export function createSealing(parts: SealingParts, owner: string, keeper: Keeper): Sealing {
  const { database, keys, log, onStep = async () => undefined } = parts
  /** The log as we last left it, while the lease is ours. */
  let held: LogRow | undefined
  /** What was last seen to be right: a webhook can't give back what it was told. */
  let remembered: Known | undefined
  let refusal: string | null = null

  async function seal(): Promise<void> {
    const [found = await begin()] = await send(database.pool, look())
    if (found === undefined) return
    const asLeft = isAsLeft(held, found)
    if (asLeft && !found.has_pending && isTold(found) && refusal === null) return
    const [claimed] = await send(database.pool, claim(owner))
    if (claimed === undefined) {
      held = undefined
      return
    }
    await onStep('claimed')
    if (!asLeft || refusal !== null) {
      const problem = await problemOf(claimed)
      if (problem !== undefined) return refuse(problem)
      await onStep('checked')
      remember(claimed)
      await tellAnchors(claimed)
    }
    await sealAll(claimed)
  }

  async function begin(): Promise<Look | undefined> {
    const problem = await beginFirstLog(parts, remembered)
    if (problem !== undefined) await refuse(problem)
    return (await send(database.pool, look())).at(0)
  }

  async function sealAll(from: LogRow): Promise<void> {
    for (let row = from; ; ) {
      const batch = await sealBatch({ ...parts, owner, signers: keys.signers(row.origin), onStep }, row).catch(
        asRefusal,
      )
      if (batch.kind === 'refused') return refuse(batch.why)
      held = batch.kind === 'lost-lease' ? undefined : row
      if (held === undefined) return
      await goOn(row)
      if (batch.kind !== 'sealed') return
      const { edge, root } = batch.sealed
      row = { ...row, size: BigInt(edge.size), root, vkeys: vkeysOf(row.origin), refusal: null }
      held = row
      remember(row)
      await tellAnchors(row)
      if (batch.isAll) return
    }
  }

  async function problemOf(row: LogRow): Promise<string | undefined> {
    const outside = await knownByAnchors(parts.anchors, keys, row.origin)
    if (typeof outside === 'string') return outside
    const known = remembered === undefined ? outside : [...outside, remembered]
    return inTransaction(database, (reading) => problemOfLog(reading, row, keys.signers(row.origin), known))
  }

  function remember({ origin, size, root }: LogRow): void {
    remembered = { where: 'this server', origin, size: Number(size), root }
  }

  async function tellAnchors(row: LogRow): Promise<void> {
    if (parts.anchors.length === 0) return
    const record = await inTransaction(database, (reading) => newestRecord(reading, row))
    if (record !== undefined) keeper.keep(record)
  }

  async function refuse(why: string): Promise<void> {
    held = undefined
    if (refusal !== why) log.error({ why }, 'the audit log is not sealed: history is not as it was signed')
    refusal = why
    await send(database.pool, tellRefusal(owner, why))
  }

  async function goOn(row: LogRow): Promise<void> {
    if (refusal !== null) log.info('the audit log is sealed again')
    if (refusal !== null || row.refusal !== null) await send(database.pool, tellRefusal(owner, null))
    refusal = null
  }

  /** Whether the log has told of the keys that are configured. */
  function isTold({ origin, vkeys }: LogRow): boolean {
    return JSON.stringify(vkeysOf(origin)) === JSON.stringify(vkeys)
  }

  function vkeysOf(origin: string): readonly string[] {
    return keys.signers(origin).map(({ vkey }) => vkey)
  }

  return { seal, isRefusing: () => refusal !== null }
}

/** Nobody else had it since, and nobody has set the database back. */
function isAsLeft(held: LogRow | undefined, found: Look): boolean {
  return (
    held !== undefined &&
    held.log_number === found.log_number &&
    held.epoch === found.epoch &&
    held.size === found.size &&
    held.root.equals(found.root)
  )
}

// Of PostgreSQL: not permitted, as our triggers say, a row that is there already, or one that is not as it must be.
const IN_THE_WAY = new Set(['42501', '23505', '23514'])

/** Somebody put something where the next entries belong. */
function asRefusal(error: unknown): { readonly kind: 'refused'; readonly why: string } {
  if (!IN_THE_WAY.has(codeOf(error) ?? '')) throw error
  return { kind: 'refused', why: `what follows can not be stored: ${messageOf(error)}` }
}
