// Imported before a program: names every module that it loads, on standard error.
import { registerHooks } from 'node:module'

registerHooks({
  load(url, context, next) {
    process.stderr.write(`loaded ${url}\n`)
    return next(url, context)
  },
})
