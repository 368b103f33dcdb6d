/** Draws which attention heads and how many feed-forward channels a model keeps. */
import type { NarrowRun } from "./run-report.ts";
import type { TextTable } from "./table.ts";

/** The number of squares that stand for all channels of a layer. */
const SQUARES = 16;

function squares(bits: readonly boolean[]): string {
  return bits.map((isKept) => (isKept ? "■" : "□")).join("");
}

/** Returns a table with a row for each layer: filled squares are what it keeps. */
export function narrowTable({ attentions, channels }: NarrowRun): TextTable {
  const rows = [
    ...attentions.map(({ name, heads }) => {
      const kept = heads.filter((bit) => bit === 1).length;
      return [name, squares(heads.map((bit) => bit === 1)), `${kept} of ${heads.length} heads`];
    }),
    ...channels.map(({ name, kept, total }) => {
      const filled = Math.round((SQUARES * kept) / Math.max(1, total));
      const bits = Array.from({ length: SQUARES }, (_, i) => i < filled);
      return [name, squares(bits), `${kept} of ${total} channels`];
    }),
  ];
  return { header: ["layer", "heads or width", "kept"], rows };
}
