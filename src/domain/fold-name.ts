// Names as lists are ordered and searched by them: folded here, not by the database, so that every server agrees.

/** Compatibility forms and letter case folded together: `Ｆｕｌｌ` and `full` are the same. */
export function foldName(name: string): string {
  return name.normalize('NFKC').toLowerCase()
}
