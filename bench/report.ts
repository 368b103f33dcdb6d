/** Results of benchmarks as text, as JSON and as SVG. */
import { linePlot } from "../src/report/line-plot.ts";
import { escapeMarkup } from "../src/report/markup.ts";
import type { BenchReport, BenchTable, Cell, Column } from "./benchmark.ts";
import { formatSpread, formatTable } from "./measure.ts";

function formatCell(cell: Cell, { digits = 0 }: Column): string {
  if (cell === null) return "";
  if (typeof cell === "string") return cell;
  if (typeof cell === "number")
    return digits === 0 ? String(Math.round(cell)) : cell.toFixed(digits);
  return formatSpread(cell, digits);
}

/** A table in aligned columns below its title. */
export function formatBenchTable({ title, columns, rows }: BenchTable): string {
  const heading = columns.map(({ name }) => name);
  const cells = rows.map((row) => row.map((cell, i) => formatCell(cell, columns[i])));
  return `${title}\n${formatTable([heading, ...cells])}`;
}

/** The tables as data: a record for each row, with the names of the columns as keys. */
export function tablesAsData({
  tables,
}: BenchReport): readonly Readonly<Record<string, unknown>>[] {
  return tables.map(({ title, columns, rows }) => ({
    title,
    rows: rows.map((row) => Object.fromEntries(row.map((cell, i) => [columns[i].name, cell]))),
  }));
}

const WIDTH = 560;
const HEIGHT = 300;
/** Styles of the plots' classes, for a file without a page. */
const STYLE = `
  text { font: 11.5px system-ui, sans-serif; fill: #5b636e; }
  .title { font-size: 14px; font-weight: 600; fill: #1d2127; }
  .legend { font-size: 12px; fill: #1d2127; }
  .grid { stroke: #e3e5e8; } .axis { stroke: #9aa1ab; }
  .curve { fill: none; stroke-width: 2; } .dashed { stroke-dasharray: 5 4; }
  .marker { stroke: #fff; stroke-width: 1.5; }
`;

/** The plots below each other as an SVG file; undefined without plots. */
export function plotsAsSvg({ plots }: BenchReport): string | undefined {
  if (plots.length === 0) return undefined;
  const height = plots.length * HEIGHT;
  const placed = plots.map((plot, i) => {
    const place = `y="${i * HEIGHT}" width="${WIDTH}" height="${HEIGHT}"`;
    return `<svg ${place}><title>${escapeMarkup(plot.title)}</title>${linePlot(plot)}</svg>`;
  });
  // Screen readers read the title.
  const title = escapeMarkup(plots.map((plot) => plot.title).join("; "));
  const size = `viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}"`;
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size}><title>${title}</title><style>${STYLE}</style><rect width="100%" height="100%" fill="#fff"/>${placed.join("")}</svg>\n`;
}
