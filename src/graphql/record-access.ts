// The mutation recordAccess: its input, and what its success tells. No command stands behind it, see usage/record-access.ts.
import { invariant } from '#domain/invariant.ts'
import { type RecordOutcome, recordAccess } from '#usage/record-access.ts'
import { builder } from './builder.ts'
import { InvalidInputError, NotFoundError } from './errors.ts'
import { MUTATION_COST } from './limits.ts'
import { demand } from './needs.ts'
import { errorOf } from './refusals.ts'
import { VerificationCode } from './verification.ts'

const AccessInput = builder.inputType('AccessInput', {
  description: 'One use of a key. Never send the secret that was presented; what may be one is redacted all the same.',
  fields: (t) => ({
    codeId: t.id({
      description: "The presented code, as the verdict told it; one of the key's. Through a link none is told.",
    }),
    keyId: t.id({ required: true, description: 'The key, as the verdict told it.' }),
    at: t.field({
      type: 'DateTime',
      required: true,
      description: 'When the request came: in the last 6 days, and at most 5 minutes ahead.',
    }),
    verdict: t.field({ type: VerificationCode, required: true, description: 'What was said of the key.' }),
    method: t.string({ description: 'Of the request, up to 32 characters.' }),
    path: t.string({ description: 'Of the request; cut after 2048 bytes.' }),
    status: t.int({ description: 'Of the response, 100 to 599.' }),
    durationMs: t.int({ description: 'Milliseconds from request to response.' }),
    clientIp: t.string({ description: "The client's IPv4 or IPv6 address." }),
    userAgent: t.string({ description: 'What the client called itself; cut after 512 bytes.' }),
    requestBody: t.string({ description: 'Kept only where `logging.request` of the key is on; cut after 64 KiB.' }),
    responseBody: t.string({ description: 'Kept only where `logging.response` of the key is on; cut after 64 KiB.' }),
  }),
})

const RecordAccessInput = builder.inputType('RecordAccessInput', {
  description: 'Uses to record.',
  fields: (t) => ({
    entries: t.field({ type: [AccessInput], required: true, description: 'The uses, 1 to 500, in any order.' }),
  }),
})

type Recorded = Extract<RecordOutcome, { readonly kind: 'recorded' }> & { readonly __typename: string }

const RecordAccessSuccess = builder.objectRef<Recorded>('RecordAccessSuccess').implement({
  description: 'The success of recordAccess.',
  fields: (t) => ({
    recorded: t.exposeInt('recorded', { needs: 'parent', description: 'How many entries were recorded: all.' }),
  }),
})

const RecordAccessResult = builder.unionType('RecordAccessResult', {
  description: 'What became of recordAccess: its success, or why nothing was recorded.',
  types: [RecordAccessSuccess, InvalidInputError, NotFoundError],
})

builder.mutationField('recordAccess', (t) =>
  t.field({
    type: RecordAccessResult,
    needs: 'logs.write',
    complexity: { field: MUTATION_COST, multiplier: 1 },
    args: { input: t.arg({ type: RecordAccessInput, required: true, description: 'What to record.' }) },
    description:
      'Records uses of keys in the access log, all or none. Telemetry: no event, and a retry records twice. Redacted from paths, ' +
      'user agents and bodies are: text of the shape of a generated secret (its hint stays), `Authorization` lines and Bearer ' +
      'and Basic credentials, and the values of header lines, query and form parameters and JSON members that bear the name of ' +
      "one of the keyspace's presentations or a common one, such as `api_key`, `token` or `password`. Callers' own secrets " +
      "(`customSecrets`) of the entry's key, replaced and deleted ones too, are found by digest where they stand by themselves, between white " +
      'space, quotes or signs such as `&`, `=`, `,` or `/`: as they are, URL-encoded or escaped as in JSON; and anywhere where they are kept ' +
      '(REVEALABLE). One call searches at most 20 000 words (each counts once for every secret of the server) and 8 million characters ' +
      "(each is looked at several times). The texts of such keys' uses beyond that are not kept: a mark stands in their place. Not " +
      'redacted are own secrets run together with other text, those that hold such signs and stand unescaped among more of them, and ' +
      'what is encoded in other ways (base64, compressed). ' +
      'In these texts, what no database can ' +
      'hold (NUL, half a surrogate pair) becomes U+FFFD and refuses nothing. Needs the permission logs.write.',
    resolve: async (_root, { input }, context) => {
      const caller = demand(context.caller, 'logs.write')
      const outcome = await recordAccess(context.services, caller, input)
      if (outcome.kind === 'recorded') return { ...outcome, __typename: 'RecordAccessSuccess' }
      const error = errorOf(outcome.refusal)
      invariant(
        error.__typename === 'InvalidInputError' || error.__typename === 'NotFoundError',
        'nothing else is refused',
      )
      return error
    },
  }),
)
