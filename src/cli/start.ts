// `keyledger start`: serves until told to stop.
import cluster from 'node:cluster'
import { withConfig } from './command-line.ts'

export function start(args: readonly string[]): Promise<number> {
  return withConfig(args, {}, async (config) => {
    if (config.workers > 1 && cluster.isPrimary) return (await import('./workers.ts')).serveByWorkers(config)
    // Loaded here only: the schema takes half a second to build, and nothing else needs it.
    const { serve, serveAsWorker } = await import('#main.ts')
    return cluster.isWorker ? serveAsWorker(config) : serve(config)
  })
}
