/** Saves files as the browser's downloads. */

/** How long an address of a file stays valid after its download began, in milliseconds. */
const KEPT = 60_000;

export function saveFile(name: string, content: Blob): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), KEPT);
}
