/** Returns a number with its noun, which has a plural form unless the number is 1: `1 row`, `2 rows`, `0.5 epochs`. */
export function counted(count: number, noun: string, plural: string = `${noun}s`): string {
  return `${count} ${count === 1 ? noun : plural}`;
}
