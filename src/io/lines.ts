/** Lines of text files, whichever system wrote them. */

/**
 * The lines of `text`, which may end in LF, CRLF or CR; a byte-order mark and the last line's end
 * belong to no line.
 */
export function splitLines(text: string): string[] {
  const lines = text.replace(/^\uFEFF/, "").split(/\r\n|[\r\n]/);
  if (lines.at(-1) === "") lines.pop();
  return lines;
}
