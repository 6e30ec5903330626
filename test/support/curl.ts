// As much of curl as our printed commands use, for machines that have none.
import { parseArgs } from 'node:util'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    silent: { type: 'boolean', short: 's' },
    'show-error': { type: 'boolean', short: 'S' },
    header: { type: 'string', short: 'H', multiple: true, default: [] },
    data: { type: 'string', short: 'd' },
  },
})
const [url] = positionals
if (url === undefined || positionals.length > 1) throw new Error(`One URL is wanted, not ${positionals.length}`)
const headers = values.header.map((header): [string, string] => {
  const [name = '', ...rest] = header.split(':')
  return [name, rest.join(':').trim()]
})
const response = await fetch(
  url,
  values.data === undefined ? { headers } : { method: 'POST', headers, body: values.data },
)
process.stdout.write(await response.text())
