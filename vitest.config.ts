import { defineConfig } from 'vitest/config'

// Folders whose tests need no database, so that these run without a server being started.
const PURE = [
  'test/{architecture,domain,secret}/**/*.test.ts',
  'test/audit/{tree,note,verify}/*.test.ts',
  'test/{*,audit/entry}.test.ts',
]

// Tests that bring a server of their own, which the other tests' database says nothing to: no second one need be tried with them.
const OWN_SERVER = [
  'test/system/{bench,default-keys,faults,freeze-keys,kills,last-use,readme,soak,workers}.test.ts',
  'test/cli/{command-line,serving-role,start,workers}.test.ts',
  'test/database/embedded/*.test.ts',
]

// graphql 17 ships an ESM and a CJS copy. Without these conditions vite hands test files the CJS one while
// Pothos loads the ESM one through Node: "Cannot use GraphQLObjectType from another module or realm".
const ssr = { resolve: { conditions: ['module-sync', 'node', 'development|production'] } }

const everywhere = {
  setupFiles: ['test/support/random.ts'],
  // Far beyond what any test takes alone: only a hang should end one, not a busy machine.
  testTimeout: 120_000,
  hookTimeout: 120_000,
  expect: { poll: { timeout: 30_000 } },
}

export default defineConfig({
  ssr,
  test: {
    // Tests wait for the database more than they compute: a core left idle would double the time on two.
    maxWorkers: '100%',
    projects: [
      { ssr, test: { name: 'unit', include: PURE, ...everywhere } },
      { ssr, test: { name: 'own-server', include: OWN_SERVER, ...everywhere } },
      {
        ssr,
        test: {
          name: 'database',
          include: ['test/**/*.test.ts'],
          exclude: [...PURE, ...OWN_SERVER],
          globalSetup: ['test/support/global-setup.ts'],
          ...everywhere,
        },
      },
    ],
  },
})
