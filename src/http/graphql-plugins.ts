// What stands between Yoga and the schema: what may be asked over GET, how large a document may be, and what a client is told
// of an error.
import {
  type DocumentNode,
  type ExecutionResult,
  GraphQLError,
  NoSchemaIntrospectionCustomRule,
  parse,
  visit,
} from 'graphql'
import type { Plugin } from 'graphql-yoga'
import type { BaseLogger } from 'pino'
import type { Audience, Context } from '#graphql/context.ts'
import { toClientError } from '#graphql/errors.ts'
import { LIMITS, tooLarge } from '#graphql/limits.ts'
import { carriesSecrets } from '#graphql/secret-fields.ts'
import type { Credential } from './authorization.ts'

/** What the handler of a request hands to Yoga, and resolvers' context is made from. */
export type GraphqlRequest = Credential & {
  readonly requestId: string
  /** What the fast lane executed, where Yoga is only to tell it. */
  readonly executed?: ExecutionResult
  readonly audience: () => Audience
  /** Takes what a subscription yields, to be sent as it happens. */
  readonly stream: (results: AsyncIterable<unknown>) => void
}

export type YogaPlugin = Plugin<Record<string, never>, GraphqlRequest>

/** What was executed already is not executed again: Yoga only tells it. */
export function answerWithExecuted(): YogaPlugin {
  return {
    onParams({ context, setResult }) {
      const { executed } = context as GraphqlRequest
      if (executed !== undefined) setResult(executed)
    },
  }
}

/**
 * Behind Yoga's own, which has no member of the same name but `audience`, and that is the same. Yoga would copy the values of what its option `context` makes, and so ask for what
 * is only made when a resolver asks for it, as who the caller then is.
 */
export function buildContext(contextOf: (facts: GraphqlRequest) => Context): YogaPlugin {
  return {
    onContextBuilding({ context }) {
      Object.setPrototypeOf(context, contextOf(context as object as GraphqlRequest))
    },
  }
}

/** The documents of schema/operations have below 1 500 characters; 32 Ki still bounds what the cache of documents holds. */
export const DOCUMENT_LENGTH_MAX = 32_768
/** 100 verifications, each with its keyspace and a permission, written out in the document. */
const TOKENS_MAX = 2_500

/** Limits that hold before anything is known of a document. Those on what it would cost are the schema's. */
export function limitDocuments(): YogaPlugin {
  return {
    onParams({ params }) {
      if (typeof params.query === 'string' && params.query.length > DOCUMENT_LENGTH_MAX)
        throw badRequest(`The document is longer than ${DOCUMENT_LENGTH_MAX} characters.`)
    },
    onParse({ setParseFn }) {
      setParseFn((source, options) => {
        const document = parse(source, { ...options, maxTokens: TOKENS_MAX })
        limitFields(document)
        return document
      })
    },
  }
}

/** The schema's own limit, asked once more before validation, whose time grows with the square of the fields. */
function limitFields(document: DocumentNode): void {
  let breadth = 0
  visit(document, {
    Field() {
      breadth += 1
    },
  })
  if (breadth > LIMITS.breadth) throw tooLarge('Breadth', { breadth, depth: 0, complexity: 0 })
}

/** Variables in a URL or a form are JSON in text: where they are not, the client is told so. */
export function explainBrokenVariables(): YogaPlugin {
  return {
    onRequestParse({ requestParser, setRequestParser }) {
      if (requestParser === undefined) return
      setRequestParser(async (request) => {
        try {
          return await requestParser(request)
        } catch (error) {
          throw error instanceof SyntaxError ? badRequest('The variables or extensions are not valid JSON.') : error
        }
      })
    },
  }
}

/** URLs are kept in histories and logs, so nothing that has a secret in its variables may be in one. */
export function refuseSecretsOverGet(): YogaPlugin {
  return {
    onParse() {
      return ({ result, context }) => {
        const { request } = context as { request?: Request }
        if (request?.method === 'GET' && !(result instanceof Error) && carriesSecrets(result as DocumentNode))
          throw new GraphQLError('Keys can only be verified by a POST request: a URL is no place for a secret.', {
            extensions: { code: 'BAD_REQUEST', http: { status: 405, headers: { Allow: 'POST' } } },
          })
      }
    },
  }
}

export function forbidIntrospection(): YogaPlugin {
  return {
    onValidate({ addValidationRule }) {
      addValidationRule(NoSchemaIntrospectionCustomRule)
    },
  }
}

const SUGGESTION = / Did you mean .*$/s
// GraphQL's own errors quote the value that is wrong, with all that stands beside it in the input. That may be a secret, which
// from there would get into clients' logs.
const QUOTED_VALUES: readonly (readonly [RegExp, string])[] = [
  [/, found: .*$/s, '.'],
  [/( cannot represent [^:]*): .*$/s, '$1.'],
  [/Value ".*" (does not exist in )/s, 'The value $1'],
  [/^(Syntax Error: .*?(?:String|Int|Float)) ".*$/s, '$1.'],
  // What is wrong comes last, behind the value and the way to it.
  [/ got invalid value .*?( at "[\w.[\]]+")?; ([^;]*)$/s, ' has an invalid value$1; $2'],
  [/ got invalid value .*$/s, ' has an invalid value.'],
]

function withoutValues(message: string): string {
  return QUOTED_VALUES.reduce((text, [quoted, otherwise]) => text.replace(quoted, otherwise), message)
}

export type TellError = (error: GraphQLError, requestId: string) => GraphQLError

/**
 * The last word on every error: what a client may know of it, and in the log what it may not. Each has a code. Names of the
 * schema are not suggested (`suggestions` false) where introspection is off.
 */
export function tellerOf({ log, suggestions }: { log: BaseLogger; suggestions: boolean }): TellError {
  return (error, requestId) => {
    const told = toClientError(error) ?? fault(error, requestId, log)
    const spoken = withoutValues(told.message)
    const message = suggestions ? spoken : spoken.replace(SUGGESTION, '')
    // What Yoga adds of a body that is no JSON is the parser's message, which quotes it. Without it Yoga takes the error for
    // one of the operation, hence the status.
    if (told.extensions.originalError !== undefined)
      return new GraphQLError(message, { extensions: { code: 'BAD_REQUEST', http: { status: 400 } } })
    // The executor's own name for wrong variables, where it is a subscription that has them.
    const { code: named, ...others } = told.extensions
    const code = named === undefined || named === 'BAD_USER_INPUT' ? 'BAD_REQUEST' : named
    if (message === told.message && code === named) return told
    return new GraphQLError(message, { ...placeOf(told), extensions: { code, ...others } })
  }
}

export function tellErrors(tell: TellError): YogaPlugin {
  return {
    onResultProcess({ result, setResult, serverContext }) {
      if (!('errors' in result) || result.errors === undefined) return
      const errors = result.errors.map((error) => tell(error as GraphQLError, serverContext.requestId))
      setResult({ ...result, errors })
    },
  }
}

function fault(error: GraphQLError, requestId: string, log: BaseLogger): GraphQLError {
  log.error({ requestId, path: error.path, err: error.originalError ?? error }, 'unexpected error')
  // `unexpected` is Yoga's: it makes the status 500 where there is no data at all, and is not sent.
  return new GraphQLError('Unexpected error.', {
    ...placeOf(error),
    extensions: { code: 'INTERNAL_SERVER_ERROR', requestId, unexpected: true },
  })
}

function placeOf({ nodes, source, positions, path }: GraphQLError) {
  return { nodes, source, positions, path }
}

function badRequest(message: string): GraphQLError {
  return new GraphQLError(message, { extensions: { code: 'BAD_REQUEST', http: { status: 400 } } })
}
