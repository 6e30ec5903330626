// Names as lists are ordered and searched by them: in lower case, and with characters that only look different (full-width
// letters, ligatures) made one. By us and not by the database, so that every server and every collation agree.

/** Stored beside a name, and made of what is searched for. May be longer than the name. */
export function foldName(name: string): string {
  return name.normalize('NFKC').toLowerCase()
}
