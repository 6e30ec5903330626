import { defineConfig } from 'vitest/config'

export default defineConfig({
  // graphql 17 ships an ESM and a CJS copy. Without these conditions vite hands test files the CJS one while
  // Pothos loads the ESM one through Node: "Cannot use GraphQLObjectType from another module or realm".
  ssr: { resolve: { conditions: ['module-sync', 'node', 'development|production'] } },
  test: { include: ['test/**/*.test.ts'] },
})
