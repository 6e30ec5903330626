// Who did it.
import type { Actor as ActorShape, ActorKind as Kind } from '#domain/actor.ts'
import { invariant } from '#domain/invariant.ts'
import { builder } from './builder.ts'
import type { Context } from './context.ts'
import { userLabel } from './user-label.ts'

const KINDS: { readonly [Name in Kind]: { readonly description: string } } = {
  ROOT: { description: "The holder of the installation's root key." },
  KEY: { description: 'A key of a management keyspace.' },
  USER: { description: "A user of the account's directory." },
  SYSTEM: { description: 'The server itself.' },
}

export const ActorKind = builder.enumType('ActorKind', { description: 'What kind of actor it is.', values: KINDS })

/** For people: `root`, `system`, or the name of the key or user as it is now. */
export async function labelOf({ kind, id }: ActorShape, { loaders }: Context): Promise<string> {
  if (kind === 'ROOT') return 'root'
  if (kind === 'SYSTEM') return 'system'
  invariant(id !== null, 'a key and a user have an id')
  if (kind === 'USER') return userLabel(id, loaders)
  return (await loaders.keyName.load(id)) ?? id
}

export const Actor = builder.objectRef<ActorShape>('Actor').implement({
  description: 'Who did it. What is kept is the id; the label is looked up when it is read.',
  fields: (t) => ({
    kind: t.expose('kind', { type: ActorKind, needs: 'parent', description: 'What kind of actor it is.' }),
    actorId: t.exposeID('id', {
      nullable: true,
      needs: 'parent',
      description: 'The id of the key or user; null for ROOT and SYSTEM.',
    }),
    label: t.string({
      needs: 'parent',
      description:
        'For people: `root`, `system`, or the name that the key or user bears now; `an erased user` where that is kept no more.',
      resolve: (actor, _arguments, context) => labelOf(actor, context),
    }),
  }),
})
