/** Draws line plots as self-contained SVG with axes, a grid, a legend and a tooltip on every marker. */

import { formatTicks, limitRange, type Range, rangeOf, roundRange, ticks } from "./axis.ts";
import { coordinate, element, escapeMarkup, svg } from "./markup.ts";

/** One curve of a plot. Points that are not finite are left out. */
export interface Series {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
  /** The index of a colour, for {@link seriesColor}. */
  readonly color: number;
  /** Whether the line is dashed and has no markers, as for a reference value or a target. */
  readonly dashed?: boolean;
  /** Whether y stays constant until the next point, as in a step plot. */
  readonly stepped?: boolean;
}

export interface LinePlot {
  readonly title: string;
  readonly xLabel: string;
  readonly series: readonly Series[];
  /** The minimum range of the y axis. Points outside extend it. */
  readonly yRange?: Range;
  /** The maximum range of the y axis. */
  readonly yLimits?: Range;
}

const WIDTH = 560;
const HEIGHT = 300;
const MARGIN = 12;
const FRAME = { left: 54, right: WIDTH - 14, top: 58, bottom: HEIGHT - 40 } as const;
/** Maximum number of points that are drawn with markers. With more points, markers would overlap. */
const MOST_MARKERS = 40;
/** Estimated width of one character in the legend, in SVG units. */
const LEGEND_CHARACTER = 6.6;

/** The colours of series: CSS variables of the page, with fallback values for a plot outside the page. */
const SERIES_COLORS: readonly string[] = [
  "var(--series-1, #2f7bd6)",
  "var(--series-2, #dd6427)",
  "var(--series-3, #199a6b)",
  "var(--series-4, #c28a0c)",
  "var(--series-5, #8474d8)",
  "var(--series-6, #c94f86)",
];

/** Returns the colour at `index`. The colours repeat after the last one. */
export function seriesColor(index: number): string {
  return SERIES_COLORS[index % SERIES_COLORS.length] ?? "currentColor";
}

/** Returns the axis ranges of a plot, and functions that map data to SVG coordinates. */
function frameOf(plot: LinePlot) {
  const points = plot.series.flatMap((series) => finitePoints(series));
  const shown = plot.yRange === undefined ? [] : [plot.yRange.low, plot.yRange.high];
  const x = rangeOf(points.map(([value]) => value));
  const wanted = rangeOf([...points.map(([, value]) => value), ...shown]);
  const y = roundRange(limitRange(wanted, plot.yLimits), 5);
  const scale = (range: Range, from: number, to: number) => (value: number) =>
    from + ((value - range.low) / (range.high - range.low)) * (to - from);
  const toX = scale(x, FRAME.left + 8, FRAME.right - 8);
  return { x, y, toX, toY: scale(y, FRAME.bottom, FRAME.top) };
}

type Frame = ReturnType<typeof frameOf>;

function finitePoints(series: Series): readonly (readonly [number, number])[] {
  return series.points.filter(([x, y]) => Number.isFinite(x) && Number.isFinite(y));
}

function text(x: number, y: number, anchor: string, kind: string, content: string): string {
  return element("text", { x, y, "text-anchor": anchor, class: kind }, escapeMarkup(content));
}

function axes(plot: LinePlot, frame: Frame): string {
  const { left, right, bottom } = FRAME;
  const yTicks = ticks(frame.y, 5);
  const yLabels = formatTicks(yTicks);
  const integersOnly = plot.series.every((series) =>
    series.points.every(([x]) => Number.isInteger(x)),
  );
  const xTicks = ticks(frame.x, 8).filter((value) => !integersOnly || Number.isInteger(value));
  const xLabels = formatTicks(xTicks);
  return [
    ...yTicks.map((value, index) => {
      const y = frame.toY(value);
      const label = text(left - 8, y + 4, "end", "tick", yLabels[index] ?? "");
      return element("line", { x1: left, x2: right, y1: y, y2: y, class: "grid" }) + label;
    }),
    ...xTicks.map((value, index) => {
      const x = frame.toX(value);
      const label = text(x, bottom + 17, "middle", "tick", xLabels[index] ?? "");
      return element("line", { x1: x, x2: x, y1: bottom, y2: bottom + 4, class: "axis" }) + label;
    }),
    element("line", { x1: left, x2: right, y1: bottom, y2: bottom, class: "axis" }),
    text((left + right) / 2, HEIGHT - 6, "middle", "label", plot.xLabel),
  ].join("");
}

function curve(series: Series, frame: Frame): string {
  const points = finitePoints(series);
  const path = points
    .map(([x, y], index) => {
      const at = `${coordinate(frame.toX(x))} ${coordinate(frame.toY(y))}`;
      if (index === 0) return `M${at}`;
      return series.stepped === true ? `H${coordinate(frame.toX(x))}L${at}` : `L${at}`;
    })
    .join("");
  const line = element("path", { d: path, ...strokeOf(series) });
  if (series.dashed === true || points.length > MOST_MARKERS) return line;
  const style = `fill:${seriesColor(series.color)}`;
  const markers = points.map(([x, y]) => {
    const title = escapeMarkup(`${series.name}, ${x}: ${Number(y.toPrecision(5))}`);
    const circle = { cx: frame.toX(x), cy: frame.toY(y), r: 3, class: "marker", style };
    return element("circle", circle, element("title", {}, title));
  });
  return line + markers.join("");
}

function strokeOf({ dashed, color }: Series): { readonly class: string; readonly style: string } {
  return {
    class: dashed === true ? "curve dashed" : "curve",
    style: `stroke:${seriesColor(color)}`,
  };
}

function legend(series: readonly Series[]): string {
  let x = MARGIN;
  return series
    .map((entry) => {
      const line = element("line", { x1: x, x2: x + 18, y1: 38, y2: 38, ...strokeOf(entry) });
      const name = text(x + 24, 42, "start", "legend", entry.name);
      x += 24 + LEGEND_CHARACTER * entry.name.length + 16;
      return line + name;
    })
    .join("");
}

/** Draws a line plot as an SVG element. The style sheet of the page sets the colour of its text. */
export function linePlot(plot: LinePlot): string {
  const frame = frameOf(plot);
  return svg(plot.title, WIDTH, HEIGHT, [
    text(MARGIN, 18, "start", "title", plot.title),
    plot.series.length > 1 ? legend(plot.series) : "",
    axes(plot, frame),
    ...plot.series.map((series) => curve(series, frame)),
  ]);
}
