// Between a subscription's executor and the wire: an event that could not be told whole comes again, every error is told as
// errors are, and the results are handed over to whoever writes them.
import { setTimeout as delay } from 'node:timers/promises'
import type { ExecutionResult, FormattedExecutionResult, GraphQLError, GraphQLFormattedError } from 'graphql'
import type { Context } from '#graphql/context.ts'
import { toClientError } from '#graphql/errors.ts'
import { EVENT_STREAM } from './event-stream.ts'
import type { TellError, YogaPlugin } from './graphql-plugins.ts'

type Results = AsyncIterable<ExecutionResult>
type Tell = (error: GraphQLError) => GraphQLError

const REPEAT_AFTER_MS = 250

export function streamResults(tell: TellError): YogaPlugin {
  return {
    onSubscribe: ({ args }) => ({
      onSubscribeResult({ result, setResult }) {
        if (isResults(result)) setResult(repeating(result, args.contextValue as unknown as Context) as never)
      },
    }),
    onResultProcess({ result, resultProcessor, setResultProcessor, serverContext }) {
      // Without a processor the client takes no such answer.
      if (!isResults(result) || resultProcessor === undefined) return
      serverContext.stream(told(result, (error) => tell(error, serverContext.requestId)))
      setResultProcessor((_result, { Response }) => new Response(null), EVENT_STREAM)
    },
  }
}

function isResults(result: unknown): result is Results {
  return typeof result === 'object' && result !== null && Symbol.asyncIterator in result
}

/** Between an event and what it leads to the database may go away: told like that, the event would be lost. */
async function* repeating(results: Results, context: Context): Results {
  for await (const result of results) {
    if (!result.errors?.some(isOfOutage) || context.repeatEvent === undefined) yield result
    else {
      await delay(REPEAT_AFTER_MS)
      context.repeatEvent()
    }
  }
}

function isOfOutage(error: GraphQLError): boolean {
  return toClientError(error)?.extensions.code === 'UNAVAILABLE'
}

async function* told(results: Results, tell: Tell): AsyncIterable<FormattedExecutionResult> {
  for await (const result of results) {
    const { errors, ...others } = result
    if (errors === undefined) yield others
    else yield { ...others, errors: errors.map((error) => withoutInternals(tell(error))) }
  }
}

/** As Yoga does with every other answer: these two are meant for it, the status of a whole answer. */
function withoutInternals(error: GraphQLError): GraphQLFormattedError {
  const { extensions, ...told } = error.toJSON()
  const { http: _http, unexpected: _unexpected, ...others } = extensions ?? {}
  return { ...told, extensions: others }
}
