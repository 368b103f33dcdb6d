/** Draws horizontal bars for ratios from 0 to 1, such as one bar per layer, as the rows of a table. */

import { element, escapeBreakable, escapeMarkup } from "./markup.ts";

export interface Bar {
  readonly name: string;
  /** The length of the bar, from 0 to 1. */
  readonly ratio: number;
  /** Whether the bar is drawn in the accent colour instead of grey. */
  readonly accented: boolean;
}

/** A bar is drawn in these units and stretched to the width of its cell. */
const LENGTH = 1000;

function row({ name, ratio, accented }: Bar): string {
  const length = LENGTH * Math.min(1, Math.max(0, ratio));
  const parts = [
    element("rect", { width: LENGTH, height: 10, class: "track" }),
    element("rect", { width: length, height: 10, class: accented ? "accent" : "grey" }),
  ];
  const picture = element(
    "svg",
    {
      viewBox: `0 0 ${LENGTH} 10`,
      preserveAspectRatio: "none",
      class: "bar",
      "aria-hidden": "true",
    },
    parts.join(""),
  );
  const cells = [
    element("th", { scope: "row" }, escapeBreakable(name)),
    element("td", {}, picture),
    element("td", {}, `${(100 * ratio).toFixed(1)} %`),
  ];
  return element("tr", {}, cells.join(""));
}

/** Draws a bar plot as a figure with one row per bar. */
export function barPlot(title: string, bars: readonly Bar[]): string {
  const body = element("tbody", {}, bars.map(row).join(""));
  const caption = element("figcaption", {}, escapeMarkup(title));
  return element("figure", { class: "card" }, caption + element("table", { class: "bars" }, body));
}
