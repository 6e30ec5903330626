// Brings checkpoints to the anchors, beside sealing and never in its way: an anchor that can't be reached keeps nobody from sealing,
// and gets the newest as soon as it can be. Each of them covers all before it, so those in between are not missed.
import { setTimeout as delay } from 'node:timers/promises'
import type { BaseLogger } from 'pino'
import type { Anchor, AnchorRecord } from './anchor.ts'

export type Keeper = {
  keep(record: AnchorRecord): void
  /** Resolves when what is newest was kept, or could not be. */
  stop(): Promise<void>
}

/** How much of the end of history an anchor may not know of yet. A log that always grows makes a checkpoint a second. */
const EVERY_MS = 10_000
const RETRY_MAX_MS = 60_000

export function startKeeper(anchors: readonly Anchor[], log: BaseLogger): Keeper {
  const keepers = anchors.map((anchor) => keeperOf(anchor, log))
  return {
    keep(record) {
      for (const keeper of keepers) keeper.keep(record)
    },
    async stop() {
      await Promise.all(keepers.map((keeper) => keeper.stop()))
    },
  }
}

function keeperOf(anchor: Anchor, log: BaseLogger): Keeper {
  const stopping = new AbortController()
  let newest: AnchorRecord | undefined
  let running: Promise<void> | undefined

  async function run(): Promise<void> {
    for (let failures = 0; newest !== undefined; ) {
      const record = newest
      newest = undefined
      try {
        await anchor.keep(record)
        if (failures > 0) log.info({ anchor: anchor.name }, 'checkpoints are kept outside the database again')
        failures = 0
      } catch (error) {
        newest ??= record
        failures++
        log.error({ anchor: anchor.name, err: error }, 'a checkpoint could not be kept outside the database')
        if (stopping.signal.aborted) return
      }
      await pause(failures === 0 ? EVERY_MS : Math.min(1_000 * 2 ** (failures - 1), RETRY_MAX_MS))
    }
  }

  function pause(ms: number): Promise<void> {
    return delay(ms, undefined, { signal: stopping.signal }).catch(() => undefined)
  }

  return {
    keep(record) {
      newest = record
      running ??= run().finally(() => {
        running = undefined
      })
    },
    async stop() {
      stopping.abort()
      await running
    },
  }
}
