// The switches by which the access log keeps a key's bodies: as they are, and as they are set.
import type { AccessLogging as Logging } from '#domain/key/events.ts'
import { builder } from './builder.ts'

export const AccessLogging = builder.objectRef<Logging>('AccessLogging').implement({
  description:
    'Which bodies the access log keeps. Services may record uses whatever stands here; forward-auth does by itself with either.',
  fields: (t) => ({
    request: t.exposeBoolean('request', { needs: 'parent', description: 'The bodies of requests.' }),
    response: t.exposeBoolean('response', { needs: 'parent', description: 'The bodies of responses.' }),
  }),
})

export const AccessLoggingInput = builder.inputType('AccessLoggingInput', {
  description: 'Which bodies the access log is to keep.',
  fields: (t) => ({
    request: t.boolean({ required: true, description: 'The bodies of requests.' }),
    response: t.boolean({ required: true, description: 'The bodies of responses.' }),
  }),
})
