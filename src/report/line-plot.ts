/** Draws line plots as self-contained SVG with axes, a grid, a legend and a tooltip on every marker. */

import { formatTicks, limitRange, type Range, rangeOf, roundRange, ticks } from "./axis.ts";
import { coordinate, element, escapeMarkup, svg } from "./markup.ts";

/** One curve of a plot. Points that are not finite are left out. */
export interface Series {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
  /** The index of a colour, for {@link seriesColor}, or grey. */
  readonly color: number | "muted";
  /** Whether the line is dashed and has no markers, as for a reference value or a target. */
  readonly dashed?: boolean;
  /** Whether y stays constant until the next point, as in a step plot. */
  readonly stepped?: boolean;
}

export interface LinePlot {
  readonly title: string;
  readonly xLabel: string;
  readonly series: readonly Series[];
  /** The minimum ranges of the axes, such as those of plots to compare with. Points outside extend them. */
  readonly xRange?: Range;
  readonly yRange?: Range;
  /** The maximum range of the y axis. */
  readonly yLimits?: Range;
}

/** The width of plots in SVG units: that of a phone's page, so that text keeps its size there. */
export const PLOT_WIDTH = 330;
const PLOT_HEIGHT = 180;
const LEFT = 44;
const RIGHT = PLOT_WIDTH - 8;
const TITLE_LINE = 17;
const LEGEND_LINE = 18;
/** Estimated widths of characters in a title, and in the legend, in SVG units. */
const TITLE_CHARACTER = 8;
/** Maximum number of points that are drawn with markers. With more points, markers would overlap. */
const MOST_MARKERS = 40;
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
export function seriesColor(index: Series["color"]): string {
  if (index === "muted") return "var(--muted, #9aa1ab)";
  return SERIES_COLORS[index % SERIES_COLORS.length] ?? "currentColor";
}

/** Returns the axis ranges of a plot, and functions that map data to SVG coordinates. The plot begins at `top`. */
function frameOf(plot: LinePlot, top: number) {
  const points = plot.series.flatMap((series) => finitePoints(series));
  const ends = (range: Range | undefined) => (range === undefined ? [] : [range.low, range.high]);
  const x = rangeOf([...points.map(([value]) => value), ...ends(plot.xRange)]);
  const wanted = rangeOf([...points.map(([, value]) => value), ...ends(plot.yRange)]);
  const y = roundRange(limitRange(wanted, plot.yLimits), 5);
  const scale = (range: Range, from: number, to: number) => (value: number) =>
    from + ((value - range.low) / (range.high - range.low)) * (to - from);
  const bottom = top + PLOT_HEIGHT;
  return { x, y, bottom, toX: scale(x, LEFT + 8, RIGHT - 8), toY: scale(y, bottom, top) };
}

type Frame = ReturnType<typeof frameOf>;

function finitePoints(series: Series): readonly (readonly [number, number])[] {
  return series.points.filter(([x, y]) => Number.isFinite(x) && Number.isFinite(y));
}

function text(x: number, y: number, anchor: string, kind: string, content: string): string {
  return element("text", { x, y, "text-anchor": anchor, class: kind }, escapeMarkup(content));
}

function axes(plot: LinePlot, frame: Frame): string {
  const { bottom } = frame;
  const yTicks = ticks(frame.y, 5);
  const yLabels = formatTicks(yTicks);
  const integersOnly = plot.series.every((series) =>
    series.points.every(([x]) => Number.isInteger(x)),
  );
  const xTicks = ticks(frame.x, 6).filter((value) => !integersOnly || Number.isInteger(value));
  const xLabels = formatTicks(xTicks);
  return [
    ...yTicks.map((value, index) => {
      const y = frame.toY(value);
      const label = text(LEFT - 6, y + 4, "end", "tick", yLabels[index] ?? "");
      return element("line", { x1: LEFT, x2: RIGHT, y1: y, y2: y, class: "grid" }) + label;
    }),
    ...xTicks.map((value, index) => {
      const x = frame.toX(value);
      const label = text(x, bottom + 17, "middle", "tick", xLabels[index] ?? "");
      return element("line", { x1: x, x2: x, y1: bottom, y2: bottom + 4, class: "axis" }) + label;
    }),
    element("line", { x1: LEFT, x2: RIGHT, y1: bottom, y2: bottom, class: "axis" }),
    text((LEFT + RIGHT) / 2, bottom + 35, "middle", "label", plot.xLabel),
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

/** Places the entries of the legend in lines below `top`. */
function legend(series: readonly Series[], top: number) {
  let [x, line] = [0, 0];
  const entries = series.map((entry) => {
    const width = 24 + LEGEND_CHARACTER * entry.name.length;
    if (x > 0 && x + width > PLOT_WIDTH) [x, line] = [0, line + 1];
    const y = top + line * LEGEND_LINE;
    const stroke = { x1: x, x2: x + 18, y1: y - 4, y2: y - 4, ...strokeOf(entry) };
    const name = text(x + 24, y, "start", "legend", entry.name);
    x += width + 14;
    return element("line", stroke) + name;
  });
  return { markup: entries.join(""), bottom: top + line * LEGEND_LINE };
}

/** Divides a title into lines that fit the plot. */
export function titleLines(title: string): readonly string[] {
  const most = Math.floor(PLOT_WIDTH / TITLE_CHARACTER);
  const lines: string[] = [];
  for (const word of title.split(" ")) {
    const joined = `${lines.at(-1) ?? ""} ${word}`.trimStart();
    if (lines.length > 0 && joined.length <= most) lines[lines.length - 1] = joined;
    else lines.push(word);
  }
  return lines;
}

/** Draws the title of a plot at its top. */
export function plotTitle(lines: readonly string[]): string {
  return lines.map((line, i) => text(0, 14 + i * TITLE_LINE, "start", "title", line)).join("");
}

/** Draws a line plot as an SVG element. The style sheet of the page sets the colour of its text. */
export function linePlot(plot: LinePlot): string {
  const title = titleLines(plot.title);
  const names = legend(plot.series, 18 + title.length * TITLE_LINE);
  const frame = frameOf(plot, names.bottom + 14);
  return svg(plot.title, PLOT_WIDTH, frame.bottom + 40, [
    plotTitle(title),
    names.markup,
    axes(plot, frame),
    ...plot.series.map((series) => curve(series, frame)),
  ]);
}
