// One of the systems that Keyledger is by configuration alone, as the people and the services of an account meet it: over HTTP
// only. Whatever is issued and whatever is answered is noted, so that in the end secrets can be looked for where none belong.
//
//   const at = await startScenario()
//   afterAll(() => at.close())
//   const { key } = await at.done(CreateKeyDocument, { keyspaceId, name: 'a' })
import { expect } from 'vitest'
import { VerifyKeyDocument, type VerifyKeyInput, type VerifyKeyQuery } from '#test/generated/operations.ts'
import { type Document, startTestApp, type TestApp } from './app.ts'
import { createTestClock } from './clock.ts'
import { AUDIENCE, startIssuer } from './issuer.ts'
import { formsOf, readAllTables, tablesWith } from './plaintexts.ts'

type Mutation<Result, Input> = Document<Result, { readonly input: Input }>
type Success<Result> = Extract<Result[keyof Result], { readonly __typename: `${string}Success` }>

export type Refused = { readonly code: string; readonly message: string }

/** A client's request to a protected service, as the proxy in front of it passes it on. */
export type Presented = {
  readonly keyspaceId: string
  readonly permission?: string
  readonly method?: string
  readonly path?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

export type Scenario = Pick<TestApp, 'clock' | 'createAccount' | 'createKeyspace' | 'createPolicy' | 'addUser'> & {
  readonly accountId: string
  readonly managementKeyspaceId: string
  /** May do everything in the account. Whoever asks, unless another credential is given. */
  readonly administrator: string
  /** Of a service of the account, which verifies and nothing else. */
  readonly service: string
  createCredential(permissions: readonly string[], accountId?: string): Promise<string>
  /** What a user of the account calls by: a token of their identity provider, who knows them by this. */
  signIn(externalId: string): Promise<string>
  /** The data of an operation that must have no errors. */
  ask<Result, Variables>(
    document: Document<Result, Variables>,
    variables: Variables,
    credential?: string | null,
  ): Promise<Result>
  /** The codes of the errors of an operation that must have no data. */
  denied<Result, Variables>(
    document: Document<Result, Variables>,
    variables: Variables,
    credential: string | null,
  ): Promise<readonly (string | undefined)[]>
  /** The answer of a mutation that must succeed. */
  done<Result extends object, Input>(
    document: Mutation<Result, Input>,
    input: Input,
    credential?: string,
  ): Promise<Success<Result>>
  /** The answer of a mutation that must be refused. */
  refused<Result extends object, Input>(
    document: Mutation<Result, Input>,
    input: Input,
    credential?: string,
  ): Promise<Refused>
  /** How a mutation ends: `done`, or the code of the denial or the refusal. */
  outcome<Result extends object, Input>(
    document: Mutation<Result, Input>,
    input: Input,
    credential: string,
  ): Promise<string>
  /** By the service. */
  verify(input: VerifyKeyInput): Promise<VerifyKeyQuery['verifyKey']>
  /** What a proxy is told: `200`, or the status and the reason, `401 REVOKED`. */
  present(request: Presented): Promise<string>
  download(codeId: string, credential?: string): Promise<Response>
  /** Where a plaintext of this run is that must not be: tables, the log, answers beside the field `secret`. */
  plaintextsLeft(): Promise<readonly string[]>
  close(): Promise<void>
}

export async function startScenario(): Promise<Scenario> {
  const clock = createTestClock()
  const issuer = await startIssuer(() => clock.now())
  const identityProvider = { issuer: issuer.issuer, audience: AUDIENCE, userClaim: 'email' }
  const app = await startTestApp({ clock, identityProvider })
  const notes: Notes = { issued: [app.rootKey], answers: [] }
  const { accountId, managementKeyspaceId } = await app.createAccount()
  const createCredential: Scenario['createCredential'] = async (permissions, of = accountId) => {
    const credential = await app.createCredential(of, permissions)
    notes.issued.push(credential)
    return credential
  }
  const administrator = await createCredential(['*'])
  const service = await createCredential(['keys.verify'])
  const inAccount = { [ACCOUNT_HEADER]: accountId }
  const operations = operationsOf(app, notes, administrator, inAccount)
  return {
    ...app,
    ...operations,
    accountId,
    managementKeyspaceId,
    administrator,
    service,
    createCredential,
    verify: async (input) => (await operations.ask(VerifyKeyDocument, { input }, service)).verifyKey,
    present: (request) => present(app.origin, service, notes, request),
    async download(codeId, credential = administrator) {
      const headers = { authorization: `Bearer ${credential}`, ...(isToken(credential) ? inAccount : {}) }
      return fetch(`${app.origin}/codes/${codeId}/secret.txt`, { headers })
    },
    plaintextsLeft: () => plaintextsLeft(app, notes),
    async signIn(externalId) {
      const token = await issuer.token({ email: externalId, exp: FAR_FUTURE })
      notes.issued.push(token)
      return token
    },
    async close() {
      await app.close()
      await issuer.close()
    },
  }
}

const ACCOUNT_HEADER = 'x-keyledger-account'
/** In seconds, for tests that move the clock. */
const FAR_FUTURE = Date.UTC(2100, 0) / 1_000

function isToken(credential: string | null | undefined): boolean {
  return credential?.startsWith('eyJ') ?? false
}

type Notes = {
  /** Every plaintext that was issued or given. */
  readonly issued: string[]
  /** Every answer, without secrets where they belong. */
  readonly answers: string[]
}

/** Whatever stands under the name `secret`, at any depth. */
function secretsIn(value: unknown): readonly string[] {
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([name, member]) =>
    name === 'secret' && typeof member === 'string' ? [member] : secretsIn(member),
  )
}

function leavesOf(value: unknown): readonly unknown[] {
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(leavesOf) : [value]
}

function operationsOf(
  app: TestApp,
  { issued, answers }: Notes,
  administrator: string,
  inAccount: Readonly<Record<string, string>>,
): Pick<Scenario, 'ask' | 'denied' | 'done' | 'refused' | 'outcome'> {
  const execute: TestApp['execute'] = async (document, variables, options) => {
    const headers = isToken(options?.credential) ? inAccount : {}
    const answer = await app.execute(document, variables, { ...options, headers })
    issued.push(...secretsIn(variables), ...secretsIn(answer.data))
    answers.push(JSON.stringify(answer, (name, value) => (name === 'secret' ? undefined : value)))
    return answer
  }
  const ask: Scenario['ask'] = async (document, variables, credential = administrator) => {
    const { data, errors } = await execute(document, variables, { credential })
    if (data === null || errors.length > 0) throw new Error(`Not answered: ${JSON.stringify(errors)}`)
    return data
  }
  async function mutate<Result extends object, Input>(
    document: Mutation<Result, Input>,
    input: Input,
    credential?: string,
  ) {
    const [answer] = Object.values(await ask(document, { input }, credential))
    return answer as { readonly __typename: string }
  }
  return {
    ask,
    async denied(document, variables, credential) {
      const { data, errors } = await execute(document, variables, { credential })
      expect(leavesOf(data).filter((value) => value !== null)).toEqual([])
      return errors.map(({ extensions }) => extensions?.code)
    },
    async outcome(document, input, credential) {
      const { data, errors } = await execute(document, { input }, { credential })
      const [answer] = Object.values(data ?? {}) as { readonly code?: string }[]
      return errors[0]?.extensions?.code ?? answer?.code ?? 'done'
    },
    async done(document, input, credential) {
      const answer = await mutate(document, input, credential)
      expect(answer, JSON.stringify(answer)).toHaveProperty('__typename', expect.stringMatching(/Success$/))
      return answer as never
    },
    async refused(document, input, credential) {
      const answer = await mutate(document, input, credential)
      expect(answer, JSON.stringify(answer)).toHaveProperty('__typename', expect.stringMatching(/Error$/))
      return answer as never
    },
  }
}

async function present(
  origin: string,
  service: string,
  { answers }: Notes,
  { keyspaceId, permission, method = 'GET', path = '/', headers, body }: Presented,
): Promise<string> {
  const search = new URLSearchParams({ keyspace: keyspaceId, ...(permission === undefined ? {} : { permission }) })
  const response = await fetch(`${origin}/forward-auth?${search}`, {
    method: body === undefined ? 'GET' : 'POST',
    headers: {
      'x-keyledger-authorization': `Bearer ${service}`,
      'x-forwarded-method': method,
      'x-forwarded-uri': path,
      ...headers,
    },
    ...(body === undefined ? {} : { body }),
  })
  const answer = await response.text()
  answers.push(JSON.stringify([...response.headers]), answer)
  return response.ok ? String(response.status) : `${response.status} ${JSON.parse(answer).errors[0].extensions.code}`
}

async function plaintextsLeft(app: TestApp, { issued, answers }: Notes): Promise<readonly string[]> {
  const { uses, accesses } = app.app.services
  await Promise.all([uses.flush(), accesses.flush()])
  const tables = await readAllTables(app.database.owner)
  const logged = JSON.stringify(app.logged)
  // Or the search would be content with nothing to search.
  expect([issued.length > 5, answers.length > 5, logged.includes('"/graphql"')]).toEqual([true, true, true])
  return [...new Set(issued)].flatMap((plaintext) => {
    const forms = formsOf(plaintext)
    const isIn = (text: string) => forms.some((form) => text.includes(form))
    return [
      ...forms.flatMap((form) => tablesWith(tables, form)),
      ...(isIn(logged) ? ['the log'] : []),
      ...answers.filter(isIn),
    ]
  })
}
