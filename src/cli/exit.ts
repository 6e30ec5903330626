// How every command ends and how it tells a problem. Loads nothing: what an auditor runs must not load a server.

export const EXIT_OK = 0
export const EXIT_PROBLEM = 1
/** Called in a wrong way, or configured in one: nothing was tried. */
export const EXIT_USAGE = 2

export function complain(text: string): void {
  process.stderr.write(`${text}\n`)
}
