// What is loaded when it runs, types left out. Whoever verifies an export needs no server, and none is to come in by an import.
import config from './.dependency-cruiser.mjs'

export default {
  forbidden: [
    {
      name: 'auditors-load-no-server',
      comment: 'The verifier is small enough to be read, and runs where there is no database.',
      severity: 'error',
      from: { path: '^src/cli/audit-verify\\.ts$' },
      to: {
        reachable: true,
        path: '^(src|node_modules)/',
        pathNot: [
          '^src/(domain|audit/(entry\\.ts$|tree|note|verify))',
          '^src/log/upcast\\.ts$',
          '^src/state/(project|[a-z]+-rows)\\.ts$',
          '^src/cli/(exit|printable)\\.ts$',
          '^node_modules/canonicalize/',
        ],
      },
    },
  ],
  options: { ...config.options, tsPreCompilationDeps: false },
}
