// Keys that are made, changed and ended while others are verified: each step is a mutation, and a STRONG verification that has to
// have seen it.
import { randomUUID } from 'node:crypto'
import type { SeededAccount } from './seed.ts'

/** Gives what an operation is answered, or throws where it was not answered as it should be. */
export type Ask = (query: string, input: object, expected: string) => Promise<unknown>

export type Life = {
  /** One mutation and what verification says then. */
  next(ask: Ask, accounts: readonly SeededAccount[]): Promise<void>
}

const VERIFY = 'query ($input: VerifyKeyInput!) { verifyKey(input: $input) { code } }'

type Issued = { readonly secret: string }

type Answer = {
  readonly data: {
    readonly result: { readonly key: { readonly id: string }; readonly issued?: Issued | readonly Issued[] }
  }
}

function mutation(name: string, fields: string): string {
  const type = `${name.charAt(0).toUpperCase()}${name.slice(1)}`
  return `mutation ($input: ${type}Input!) { result: ${name}(input: $input) {
    ... on ${type}Success { key { id } ${fields} events { id } } ... on Error { code message } } }`
}

const ISSUED = 'issued { secret }'
const CREATE = mutation('createKey', ISSUED)
const ROTATE = mutation('rotateKey', ISSUED)
const UPDATE = mutation('updateKey', '')
const DISABLE = mutation('disableKey', '')
const REVOKE = mutation('revokeKey', '')

/** One life after the other. */
export function newLife(): Life {
  let keyId = ''
  let secret = ''
  let at = 0
  const steps: readonly ((ask: Ask, keyspaceId: string) => Promise<void>)[] = [
    async (ask, keyspaceId) => {
      await change(ask, CREATE, { keyspaceId, name: 'a life' })
      await verify(ask, 'VALID')
    },
    async (ask) => {
      const replaced = secret
      await change(ask, ROTATE, { keyId })
      await verify(ask, 'REPLACED', replaced)
    },
    async (ask) => {
      await change(ask, UPDATE, { keyId, name: 'another name' })
      await verify(ask, 'VALID')
    },
    async (ask) => {
      await change(ask, DISABLE, { keyId })
      await verify(ask, 'DISABLED')
    },
    async (ask) => {
      await change(ask, REVOKE, { keyId })
      await verify(ask, 'REVOKED')
    },
  ]

  async function change(ask: Ask, query: string, input: object): Promise<void> {
    const { data } = (await ask(query, { ...input, idempotencyKey: randomUUID() }, '"events":[{')) as Answer
    keyId = data.result.key.id
    const [issued] = [data.result.issued ?? []].flat()
    secret = issued?.secret ?? secret
  }

  async function verify(ask: Ask, code: string, key = secret): Promise<void> {
    await ask(VERIFY, { key, consistency: 'STRONG' }, `"code":"${code}"`)
  }

  return {
    async next(ask, accounts) {
      const step = steps[at]
      const following = (at + 1) % steps.length
      // A step that fails begins another life, as nobody knows where the key stands.
      at = 0
      await step?.(ask, accounts[Math.floor(Math.random() * accounts.length)]?.keyspaceId ?? '')
      at = following
    },
  }
}
