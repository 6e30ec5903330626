// GraphQL for the usual request: POST with JSON, answered with JSON. Yoga's own way leads through WHATWG requests, responses and
// streams, which cost several times what the operation does. Whatever is unusual is left to Yoga, and so is every answer that holds
// an error; its documents are parsed, limited and validated by Yoga's plugins here, too, once.
import type { IncomingMessage } from 'node:http'
import { normalizedExecutor } from '@graphql-tools/executor'
import {
  type DocumentNode,
  type ExecutionResult,
  type GraphQLSchema,
  getOperationAST,
  OperationTypeNode,
} from 'graphql'
import { _createLRUCache as createCache } from 'graphql-yoga'
import { type FlatQuery, flatQueryOf } from './flat-query.ts'
import { DOCUMENT_LENGTH_MAX } from './graphql-plugins.ts'

/** The members of a request that GraphQL over HTTP knows. */
type Parameters = {
  readonly query: string
  readonly variables?: { readonly [name: string]: unknown } | null
  readonly operationName?: string | null
}

export type Enveloped = {
  parse(text: string): DocumentNode
  validate(schema: GraphQLSchema, document: DocumentNode): readonly unknown[]
}

export type FastLaneParts = {
  /** Of requests that are taken, whole: anything behind it is unusual. */
  readonly path: string
  readonly schema: GraphQLSchema
  readonly documentsMax: number
  /** Yoga's parse and validate, with all that its plugins add. They may throw. */
  enveloped(): Enveloped
}

export type FastLane = {
  /**
   * The whole answer's type and text; or what was executed, with its errors, for Yoga to tell; or nothing, where Yoga must do
   * it all. `context` is only asked for when there is something to execute, and told whether that is known to be within the limits.
   */
  answer(request: IncomingMessage, body: string, context: (isWithinLimits: boolean) => object): Promise<FastAnswer>
}

export type FastAnswer =
  | { readonly kind: 'whole'; readonly type: string; readonly text: string }
  | { readonly kind: 'executed'; readonly result: ExecutionResult }
  | { readonly kind: 'unusual' }

/** A document that may be executed; `flat` where it is plain enough. */
type Prepared = { readonly document: DocumentNode; readonly flat: FlatQuery | undefined; isWithinLimits: boolean }

const UNUSUAL: FastAnswer = { kind: 'unusual' }

const JSON_TYPE = /^application\/json(?:;\s*charset=utf-8)?$/i
const JSON_ANSWER = 'application/json; charset=utf-8'
const RESPONSE_ANSWER = 'application/graphql-response+json; charset=utf-8'
/** By the header Accept, as the usual clients send it; everything else is negotiated by Yoga. */
const ANSWER_TYPES = new Map([
  [undefined, JSON_ANSWER],
  ['*/*', JSON_ANSWER],
  ['application/json', JSON_ANSWER],
  ['application/json, text/plain, */*', JSON_ANSWER],
  ['application/graphql-response+json', RESPONSE_ANSWER],
  ['application/graphql-response+json, application/json', RESPONSE_ANSWER],
  ['application/graphql-response+json,application/json;q=0.9', RESPONSE_ANSWER],
])

export function createFastLane({ path, schema, documentsMax, enveloped }: FastLaneParts): FastLane {
  const documents = createCache<Prepared>({ max: documentsMax })

  /** Only what is without fault: the rest would have to be told by Yoga anyway. */
  function prepare(text: string): Prepared | undefined {
    const known = documents.get(text)
    if (known !== undefined) return known
    if (text.length > DOCUMENT_LENGTH_MAX) return undefined
    try {
      const { parse, validate } = enveloped()
      const document = parse(text)
      if (validate(schema, document).length > 0) return undefined
      const prepared = { document, flat: flatQueryOf(schema, document), isWithinLimits: false }
      documents.set(text, prepared)
      return prepared
    } catch {
      return undefined
    }
  }

  return {
    async answer({ method, url, headers }, body, context) {
      const type = ANSWER_TYPES.get(headers.accept)
      if (method !== 'POST' || url !== path || type === undefined) return UNUSUAL
      if (!JSON_TYPE.test(headers['content-type'] ?? '')) return UNUSUAL
      const parameters = parametersIn(body)
      const prepared = parameters && prepare(parameters.query)
      if (prepared === undefined || !answersOnce(prepared.document, parameters?.operationName)) return UNUSUAL
      const variables = parameters?.variables ?? {}
      // One for both: what the first has found out of the caller and waited for, the second does not ask again.
      const contextValue = context(prepared.isWithinLimits)
      const data = await prepared.flat?.answer(contextValue, variables)
      // It would have no data otherwise.
      if (data !== undefined && prepared.flat?.costsTheSame) prepared.isWithinLimits = true
      if (data !== undefined) return { kind: 'whole', type, text: JSON.stringify({ data }) }
      const result = (await normalizedExecutor({
        schema,
        document: prepared.document,
        contextValue,
        variableValues: variables,
        ...(typeof parameters?.operationName === 'string' && { operationName: parameters.operationName }),
      })) as ExecutionResult
      if (result.errors !== undefined || result.data === undefined) return { kind: 'executed', result }
      return { kind: 'whole', type, text: JSON.stringify(result) }
    },
  }
}

/** Yoga says why none is meant, and subscriptions are answered more than once. */
function answersOnce(document: DocumentNode, operationName: string | null | undefined): boolean {
  const operation = getOperationAST(document, operationName)
  return operation != null && operation.operation !== OperationTypeNode.SUBSCRIPTION
}

/** Undefined for what is no request, or not a usual one. */
function parametersIn(body: string): Parameters | undefined {
  try {
    const parsed: unknown = JSON.parse(body)
    return isParameters(parsed) ? parsed : undefined
  } catch {
    return undefined
  }
}

const MEMBERS = new Set(['query', 'variables', 'operationName', 'extensions'])

function isParameters(parsed: unknown): parsed is Parameters {
  if (!isObject(parsed) || typeof parsed.query !== 'string') return false
  // Yoga refuses others: told only after the operation was executed, a client would take a mutation for refused that is not.
  if (!Object.keys(parsed).every((name) => MEMBERS.has(name))) return false
  const { variables, extensions, operationName } = parsed
  if (variables !== undefined && variables !== null && !isObject(variables)) return false
  if (extensions !== undefined && extensions !== null) return false
  return operationName === undefined || operationName === null || typeof operationName === 'string'
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
