// graphql-yoga as it is delivered, on node:http, with as little to answer as there can be.
import { createServer } from 'node:http'
import { createSchema, createYoga } from 'graphql-yoga'

const server = createServer(createYoga({ schema: createSchema({ typeDefs: 'type Query { nothing: Boolean }' }) }))
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  console.log(`listening on http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`)
})
