/** Draws horizontal bars for ratios from 0 to 1, such as one bar per layer, as self-contained SVG. */

import { seriesColor } from "./line-plot.ts";
import { element, escapeMarkup, svg } from "./markup.ts";

export interface Bar {
  readonly name: string;
  /** The length of the bar, from 0 to 1. */
  readonly ratio: number;
  /** Whether the bar is drawn in the accent colour instead of grey. */
  readonly accented: boolean;
}

const WIDTH = 560;
const ROW = 17;
const TOP = 34;
const VALUE = 52;
/** Estimated width of one character in a bar's name, in SVG units. */
const CHARACTER = 6;
const LONGEST_NAME = 46;

/** Shortens a long name at its beginning, because its end identifies the layer. */
function shorten(name: string): string {
  return name.length <= LONGEST_NAME ? name : `…${name.slice(name.length - LONGEST_NAME + 1)}`;
}

function row(bar: Bar, index: number, left: number): string {
  const y = TOP + index * ROW;
  const full = WIDTH - left - VALUE;
  const ratio = Math.min(1, Math.max(0, bar.ratio));
  const style = `fill:${bar.accented ? seriesColor(0) : "var(--muted, #8a8f98)"}`;
  const label = { x: left - 8, y: y + 10, "text-anchor": "end", class: "tick layer" };
  const track = { x: left, y: y + 1, width: full, height: 11, rx: 2, class: "track" };
  const filled = { x: left, y: y + 1, width: ratio * full, height: 11, rx: 2, style };
  const value = { x: left + full + 6, y: y + 10, class: "tick" };
  return [
    element("text", label, escapeMarkup(shorten(bar.name))),
    element("rect", track),
    element("rect", filled, element("title", {}, escapeMarkup(`${bar.name}: ${bar.ratio}`))),
    element("text", value, bar.ratio.toFixed(4)),
  ].join("");
}

/** Draws a bar plot as an SVG element, with one row per bar. */
export function barPlot(title: string, bars: readonly Bar[]): string {
  const longest = bars.reduce((most, { name }) => Math.max(most, name.length), 0);
  const left = 12 + CHARACTER * Math.min(longest, LONGEST_NAME) + 8;
  const height = TOP + bars.length * ROW + 8;
  return svg(title, WIDTH, height, [
    element("text", { x: 12, y: 18, class: "title" }, escapeMarkup(title)),
    ...bars.map((bar, index) => row(bar, index, left)),
  ]);
}
