// The architecture as rules. ARCHITECTURE.md has the same order as a table; a test compares the two.

/** A folder imports only folders above it. */
export const LAYERS = [
  'domain',
  'secret',
  'database',
  'log',
  'state',
  'commands',
  'usage',
  'verify',
  'history',
  'audit',
  'queries',
  'graphql',
  'http',
  'cli',
]

/** Who may use what else. A capability that is confined here can be reviewed in one folder. */
const CONFINED = [
  {
    module: '^(node:)?crypto$',
    to: '^src/(secret|audit|database/embedded)/',
    why: 'cryptography is reviewed in two places; staging compares files by their hash',
  },
  { module: 'node_modules/pg/', to: '^src/database/', why: 'there is one way to reach the database' },
  { module: 'node_modules/nanoid/', to: '^src/secret/', why: 'random identifiers are made in one place' },
  { module: 'node_modules/dataloader/', to: '^src/(queries|verify)/', why: 'batching is a concern of reads' },
  { module: 'node_modules/jose/', to: '^src/verify/', why: 'tokens of others are read in one place' },
  { module: 'node_modules/(@pothos|graphql)/', to: '^src/(graphql|http)/', why: 'GraphQL is an edge' },
  { module: 'node_modules/graphql-yoga/', to: '^src/http/', why: 'HTTP is an edge' },
]

export default {
  forbidden: [
    {
      name: 'no-cycles',
      comment: 'A cycle, of types too, makes its files one: none can be understood or changed alone.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    ...LAYERS.map((layer, index) => ({
      name: `${layer}-looks-up-only`,
      comment: 'Dependencies point from the edges to the core; the core knows nothing of them.',
      severity: 'error',
      from: { path: `^src/${layer}/` },
      to: { path: `^src/(${[...LAYERS.slice(index + 1), 'app\\.ts', 'housekeeping\\.ts', 'main\\.ts'].join('|')})` },
    })).filter(({ from }) => from.path !== '^src/cli/'),
    {
      name: 'domain-is-pure',
      comment: 'What the rules say must not depend on anything that can fail, wait or differ between machines.',
      severity: 'error',
      from: { path: '^src/domain/' },
      to: { pathNot: '^src/domain/' },
    },
    ...CONFINED.map(({ module, to, why }) => ({
      name: `confined-${module.replaceAll(/[^a-z]+/g, '-')}`,
      comment: why,
      severity: 'error',
      from: { path: '^src/', pathNot: to },
      to: { path: module },
    })),
    {
      name: 'migrations-are-frozen',
      comment: 'A migration that imports the product changes whenever the product does.',
      severity: 'error',
      from: { path: '^migrations/' },
      to: { path: '^(src|test)/' },
    },
    {
      name: 'product-without-tests',
      comment: 'What only tests need must not ship.',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^(test|bench)/', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'no-unresolvable',
      comment: 'An import that resolves to nothing fails at run time.',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: 'no-development-dependencies',
      comment: 'They are not there in production.',
      severity: 'error',
      from: { path: '^src/' },
      to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['type-only'] },
    },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
      extensions: ['.ts', '.js', '.mjs'],
    },
    // better-auth's packages are installed only where it is measured.
    exclude: { path: '^(test/generated|bench/better-auth)' },
  },
}
