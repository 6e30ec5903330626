// Endpoint rules: at which methods and paths of the protected service a policy applies. Paths are written by whoever writes
// policies and judged for whoever presents a key: neither may make the matching slow, nor a path mean two things.

export type EndpointRule = {
  /** In upper case; `*` stands for every method, and nothing else for another (GET does not give HEAD). */
  readonly methods: readonly string[]
  /** The pathname of a URLPattern: `/reports/:id`, `/ads/*`. */
  readonly path: string
}

/** What a client asks for. */
export type Endpoint = { readonly method: string; readonly path: string }

const RULE_PATH_LENGTH_MAX = 256
/** Longer paths match nothing. In UTF-16 code units, without the query. */
const PATH_LENGTH_MAX = 4_096
const METHOD = /^[A-Z][A-Z0-9_-]{0,19}$/

// Of URLPattern's syntax: characters of a path, escapes of those that mean something in a pattern, `:name` and `*`. No groups,
// as `(…)` is a regular expression of the author's and `{…}` can be repeated.
const RULE_PATH = /^\/(?:[A-Za-z0-9._~!$&',;=@/-]|%[0-9A-Fa-f]{2}|\\[:*+()]|:[A-Za-z_][A-Za-z0-9_]*|\*)*$/
const VARIABLE = /(?<!\\)(?:\*|:[A-Za-z_][A-Za-z0-9_]*)/g
const WILDCARD = /(?<!\\)\*/g
// What servers, proxies and applications read differently: an encoded or a backward slash, an empty segment, an encoded dot, and
// `..;`, whose parameter some drop before they follow it.
const AMBIGUOUS = /\/\/|\\|%2f|%5c|%2e|\/\.{1,2};/i
const DOT_SEGMENT = /\/\.{1,2}(?:\/|$)/

/** `*`, or a method in upper case. */
export function isRuleMethod(text: string): boolean {
  return text === '*' || METHOD.test(text)
}

/** Why a text can't be the path of a rule; undefined where it can. */
export function faultOfRulePath(path: string): string | undefined {
  if (path.length > RULE_PATH_LENGTH_MAX) return `must be at most ${RULE_PATH_LENGTH_MAX} characters`
  if (!RULE_PATH.test(path))
    return 'must be a path that begins with /, with :name for one segment, * for any rest, and \\ before a literal : * + ( or )'
  if (AMBIGUOUS.test(path.replaceAll(/\\[:*+()]/g, '')) || DOT_SEGMENT.test(path))
    return 'must not hold //, an encoded slash, backslash or dot, or a segment . or ..: no request matches such a path'
  // Two wildcards take time that grows with the square of a presented path, and more with each.
  if ((path.match(WILDCARD) ?? []).length > 1) return 'must not hold more than one *; use :name for a single segment'
  if (path.split('/').some((segment) => (segment.match(VARIABLE) ?? []).length > 1))
    return 'must not hold more than one :name or * between two slashes'
  return compile(path) === undefined ? 'must be the pathname of a URL pattern' : undefined
}

/** Whether one of the rules allows the endpoint. */
export function allowsEndpoint(rules: readonly EndpointRule[], { method, path }: Endpoint): boolean {
  const candidates = rules.filter(({ methods }) => methods.includes(method) || methods.includes('*'))
  if (candidates.length === 0) return false
  const pathname = pathnameOf(path)
  return pathname !== undefined && candidates.some((rule) => compile(rule.path)?.test({ pathname }) ?? false)
}

/** The path as it is judged, without its query; undefined for one that must match nothing. */
function pathnameOf(path: string): string | undefined {
  const [pathname = ''] = path.split('?', 1)
  if (!pathname.startsWith('/') || pathname.length > PATH_LENGTH_MAX || AMBIGUOUS.test(pathname)) return undefined
  // What normalisation changes is read differently before and after: dot segments, spaces, controls, fragments.
  const url = URL.parse(`http://localhost${pathname}`)
  return url?.pathname === pathname && url.host === 'localhost' ? pathname : undefined
}

/** Compiling takes as long as some hundred matches, and each verification asks for the same few paths again. */
const COMPILED_MAX = 5_000
const compiled = new Map<string, URLPattern>()

/** Undefined where the path is no pattern. */
function compile(path: string): URLPattern | undefined {
  const known = compiled.get(path)
  if (known !== undefined) return known
  try {
    const pattern = new URLPattern({ pathname: path })
    // Forgets everything rather than keep count of use: a few microseconds a pattern, once in a while.
    if (compiled.size >= COMPILED_MAX) compiled.clear()
    compiled.set(path, pattern)
    return pattern
  } catch {
    return undefined
  }
}
