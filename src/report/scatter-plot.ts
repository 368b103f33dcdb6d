/** Draws predicted against true values as self-contained SVG, with equal axes. */
import { formatTicks, type Range, rangeOf, ticks } from "./axis.ts";
import { PLOT_WIDTH, plotTitle, seriesColor, titleLines } from "./line-plot.ts";
import { coordinate, element, escapeMarkup, svg } from "./markup.ts";

/** A pair of the true and the predicted value. */
export type ValuePair = readonly [value: number, predicted: number];

/** With more pairs, a plot shows evenly spaced ones. */
const MOST_POINTS = 2000;
/** The share of the range that is left free at each end. */
const MARGIN = 0.03;
const LEFT = 58;
const RIGHT = PLOT_WIDTH - 10;

/** Returns the range of both axes of plots that are compared. */
export function valueRange(pairs: readonly ValuePair[]): Range {
  const { low, high } = rangeOf(pairs.flat());
  const margin = MARGIN * (high - low);
  return { low: low - margin, high: high + margin };
}

/** Draws a point for each pair, and the line of exact predictions. */
export function scatterPlot(title: string, pairs: readonly ValuePair[], range: Range): string {
  const lines = titleLines(title);
  const top = 14 + 17 * lines.length;
  const bottom = top + (RIGHT - LEFT);
  const share = (value: number): number => (value - range.low) / (range.high - range.low);
  const toX = (value: number): number => LEFT + share(value) * (RIGHT - LEFT);
  const toY = (value: number): number => bottom - share(value) * (bottom - top);
  const marks = ticks(range, 6);
  const names = formatTicks(marks);
  const label = (x: number, y: number, anchor: string, text: string): string =>
    element("text", { x, y, "text-anchor": anchor }, escapeMarkup(text));
  const middle = (top + bottom) / 2;
  const turned = {
    x: 12,
    y: middle,
    "text-anchor": "middle",
    transform: `rotate(-90 12 ${middle})`,
  };
  const grid = marks.map((value, i) => {
    const [x, y, name] = [toX(value), toY(value), names[i] ?? ""];
    return [
      element("line", { x1: LEFT, x2: RIGHT, y1: y, y2: y, class: "grid" }),
      element("line", { x1: x, x2: x, y1: top, y2: bottom, class: "grid" }),
      label(LEFT - 6, y + 4, "end", name),
      label(x, bottom + 17, "middle", name),
    ].join("");
  });
  const exact = {
    d: `M${coordinate(LEFT)} ${coordinate(bottom)}L${coordinate(RIGHT)} ${coordinate(top)}`,
    class: "curve dashed",
    style: `stroke:${seriesColor("muted")}`,
  };
  const points = thinned(pairs)
    .filter((pair) => pair.every(Number.isFinite))
    .map(([value, predicted]) => {
      const [cx, cy] = [toX(value), toY(predicted)].map((at) => at.toFixed(1));
      return `<circle cx="${cx}" cy="${cy}" r="2.5"/>`;
    });
  return svg(title, PLOT_WIDTH, bottom + 40, [
    plotTitle(lines),
    ...grid,
    element("line", { x1: LEFT, x2: RIGHT, y1: bottom, y2: bottom, class: "axis" }),
    label((LEFT + RIGHT) / 2, bottom + 35, "middle", "true value"),
    element("path", exact),
    element("text", turned, "predicted value"),
    element("g", { class: "points", style: `fill:${seriesColor(0)}` }, points.join("")),
  ]);
}

function thinned(pairs: readonly ValuePair[]): readonly ValuePair[] {
  const step = Math.max(1, pairs.length / MOST_POINTS);
  return Array.from(
    { length: Math.floor(pairs.length / step) },
    (_, i) => pairs[Math.floor(i * step)] as ValuePair,
  );
}
