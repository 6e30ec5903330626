// Which addresses an identity provider may have. Whoever can change what comes from there signs in as anybody.

/** In the clear only on this machine, for development and tests. */
export function mayBeAsked(address: string): boolean {
  if (!URL.canParse(address)) return false
  const { protocol, hostname, username, password } = new URL(address)
  if (username !== '' || password !== '') return false
  return protocol === 'https:' || (protocol === 'http:' && /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/.test(hostname))
}

/** An issuer is a name that tokens repeat to the letter, and the address below which its discovery document lies. */
export function isIssuer(issuer: string): boolean {
  return /^[\x21-\x7e]{1,512}$/.test(issuer) && !/[?#]/.test(issuer) && mayBeAsked(issuer)
}
