// The streams there are, and how each is folded.

import type { AccountFact } from './account/events.ts'
import { type AccountState, evolveAccount, initialAccount } from './account/state.ts'
import type { Recorded } from './event.ts'
import type { KeyFact } from './key/events.ts'
import { evolveKey, initialKey, type KeyState } from './key/state.ts'
import type { KeyspaceFact } from './keyspace/events.ts'
import { evolveKeyspace, initialKeyspace, type KeyspaceState } from './keyspace/state.ts'
import type { LinkFact } from './link/events.ts'
import { evolveLink, initialLink, type LinkState } from './link/state.ts'
import type { PolicyFact } from './policy/events.ts'
import { evolvePolicy, initialPolicy, type PolicyState } from './policy/state.ts'
import type { UserFact } from './user/events.ts'
import { evolveUser, initialUser, type UserState } from './user/state.ts'

export type States = {
  account: AccountState
  keyspace: KeyspaceState
  key: KeyState
  link: LinkState
  policy: PolicyState
  user: UserState
}
export type Facts = {
  account: AccountFact
  keyspace: KeyspaceFact
  key: KeyFact
  link: LinkFact
  policy: PolicyFact
  user: UserFact
}
export type StreamKind = keyof States
export type AnyFact = Facts[StreamKind]

type Fold<Kind extends StreamKind> = {
  readonly initial: States[Kind]
  readonly evolve: (state: States[Kind], event: Recorded<Facts[Kind]>) => States[Kind]
}

export const folds: { readonly [Kind in StreamKind]: Fold<Kind> } = {
  account: { initial: initialAccount, evolve: evolveAccount },
  keyspace: { initial: initialKeyspace, evolve: evolveKeyspace },
  key: { initial: initialKey, evolve: evolveKey },
  link: { initial: initialLink, evolve: evolveLink },
  policy: { initial: initialPolicy, evolve: evolvePolicy },
  user: { initial: initialUser, evolve: evolveUser },
}

/** The events of one thing, folded. */
export type Stream<Kind extends StreamKind = StreamKind> = {
  readonly kind: Kind
  readonly id: string
  readonly accountId: string
  /** 0 before its first event. */
  readonly version: number
  readonly state: States[Kind]
}

export function newStream<Kind extends StreamKind>(kind: Kind, id: string, accountId: string): Stream<Kind> {
  return { kind, id, accountId, version: 0, state: folds[kind].initial }
}

export function evolveStream<Kind extends StreamKind>(
  stream: Stream<Kind>,
  event: Recorded<Facts[Kind]>,
): Stream<Kind> {
  return { ...stream, version: event.version, state: folds[stream.kind].evolve(stream.state, event) }
}
