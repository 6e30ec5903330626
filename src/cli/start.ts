// `keyledger start`: serves until told to stop.
import { withConfig } from './command-line.ts'

export function start(args: readonly string[]): Promise<number> {
  return withConfig(args, {}, async (config) => {
    // Loaded here only: the schema takes half a second to build, and no other command needs it.
    const { serve } = await import('#main.ts')
    return serve(config)
  })
}
