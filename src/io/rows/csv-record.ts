/** Writes records of CSV. */

/** Characters for which a field is quoted. */
const SPECIAL = /[",\r\n]/;

/**
 * Formats a record with its line end, a line feed. Fields are quoted as in RFC 4180 if they have a comma, a quotation
 * mark or a line end. A record of one blank field is quoted, too, because readers pass over blank lines.
 */
export function csvRecord(fields: readonly string[]): string {
  const [only = ""] = fields;
  if (fields.length === 1 && only.trim() === "") return `"${only}"\n`;
  return `${fields.map(csvField).join(",")}\n`;
}

function csvField(text: string): string {
  return SPECIAL.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
