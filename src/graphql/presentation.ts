// Where a keyspace's keys are presented: a rule that is a list.
import type { PresentationPlace as Place, Presentation as Presented } from '#domain/keyspace/presentation.ts'
import { builder } from './builder.ts'

const PLACES: { readonly [Name in Place]: { readonly description: string } } = {
  HEADER: { description: 'A header, its name in any case. `Authorization` means its Bearer scheme.' },
  QUERY: { description: "A parameter of the URL's query." },
  FORM: { description: 'A field of a body of the type `application/x-www-form-urlencoded`.' },
  JSON: { description: 'A property of the object that a body of the type `application/json` is.' },
}

const PresentationPlace = builder.enumType('PresentationPlace', {
  description: 'A kind of place in a request.',
  values: PLACES,
})

export const Presentation = builder.objectRef<Presented>('Presentation').implement({
  description: 'A place in a request where whoever guards a service looks for the key.',
  fields: (t) => ({
    place: t.expose('place', { type: PresentationPlace, needs: 'parent', description: 'The kind of place.' }),
    name: t.exposeString('name', {
      needs: 'parent',
      description: 'Of the header, parameter, field or property: exactly, but for headers, whose case does not matter.',
    }),
  }),
})

export const PresentationInput = builder.inputType('PresentationInput', {
  description: 'A place in a request where whoever guards a service looks for the key.',
  fields: (t) => ({
    place: t.field({ type: PresentationPlace, required: true, description: 'The kind of place.' }),
    name: t.string({
      required: true,
      description:
        'Of the header, parameter, field or property: at most 100 characters. No header that proxies give a meaning of their own.',
    }),
  }),
})
