// Seals what was appended, within seconds, on whichever instance has the lease. What keeps it from sealing raises an alarm, until it
// is right again, and keeps nobody from verifying keys.
import { send } from '#database/connect.ts'
import { isUnavailable } from '#database/unavailable.ts'
import { newSalt } from '#secret/ids.ts'
import { startKeeper } from '../anchor/keeper.ts'
import { release } from './lease.ts'
import { createSealing, type SealingParts } from './sealing.ts'

export type Sealer = {
  begin(): void
  /** Seals what was appended before this call, if it can be. */
  sealNow(): Promise<void>
  /** Seals what there still is, tells the anchors, and lets another take over. */
  stop(): Promise<void>
}

const EVERY_MS = 1_000
/** Who refuses looks again so often, and keeps the lease meanwhile: another might not have the anchor that tells why. */
const REFUSED_EVERY_MS = 3_000

export function startSealer(parts: SealingParts): Sealer {
  const { database, anchors, log } = parts
  const owner = newSalt()
  const keeper = startKeeper(anchors, log)
  const sealing = createSealing(parts, owner, keeper)
  let stopped = false
  let timer: NodeJS.Timeout | undefined
  let running: Promise<void> = Promise.resolve()

  function sealNow(): Promise<void> {
    running = running.then(sealing.seal).catch((error: unknown) => {
      if (isUnavailable(error)) log.debug({ err: error }, 'the audit log waits for the database')
      else log.error({ err: error }, 'the audit log could not be sealed')
    })
    return running
  }

  function schedule(delayMs: number): void {
    timer = setTimeout(async () => {
      await sealNow()
      if (!stopped) schedule(sealing.isRefusing() ? REFUSED_EVERY_MS : EVERY_MS)
    }, delayMs).unref()
  }

  return {
    begin: () => schedule(0),
    sealNow,
    async stop() {
      stopped = true
      clearTimeout(timer)
      // What was acknowledged until now is sealed now, and not when somebody starts again.
      await sealNow()
      await keeper.stop()
      await send(database.pool, release(owner)).catch(() => undefined)
    },
  }
}
