/**
 * Writes results of the deployment benchmarks to bench/results, one file for each table:
 * `npx tsx scripts/bench-results.ts DIR MACHINE`, after `espalier bench --only deployment,... --out DIR`.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

type Cell = string | number | Spread | null;

interface ResultDocument {
  readonly node: string;
  readonly tables: readonly {
    readonly title: string;
    readonly rows: readonly Readonly<Record<string, Cell>>[];
  }[];
}

/** The files of a benchmark's tables, in their order. */
const FILES: Readonly<Record<string, readonly string[]>> = {
  deployment: ["deployment", "deployment-errors", "deployment-text", "deployment-text-errors"],
  startup: ["deployment-startup"],
  transfer: ["deployment-transfer"],
  browser: ["deployment-browser", "deployment-browser-errors", "deployment-browser-load"],
};

/** Three digits. */
function rounded(value: number): number {
  return Number(value.toPrecision(3));
}

function format(cell: Cell): string | number | null {
  if (typeof cell === "number") return rounded(cell);
  if (cell === null || typeof cell === "string") return cell;
  const { median, min, max } = cell;
  return `${rounded(median)} (${rounded(min)} to ${rounded(max)})`;
}

const [directory, machine] = process.argv.slice(2);
if (directory === undefined || machine === undefined)
  throw new Error("expected a directory with results and the name of the machine");
for (const [benchmark, files] of Object.entries(FILES)) {
  const path = join(directory, `${benchmark}.json`);
  if (!existsSync(path)) continue;
  const { node, tables }: ResultDocument = JSON.parse(readFileSync(path, "utf8"));
  for (const [i, { title, rows }] of tables.entries()) {
    const columns = Object.keys(rows[0] ?? {});
    const document = {
      benchmark,
      machine: `${machine}, Node ${node.slice(1)}`,
      about: `${title}. Medians with the lowest and highest round.`,
      columns,
      rows: rows.map((row) => columns.map((column) => format(row[column] ?? null))),
    };
    const file = join("bench", "results", `${files[i]}.json`);
    writeFileSync(file, `${JSON.stringify(document, null, 2)}\n`);
    process.stdout.write(`${file}: ${rows.length} rows\n`);
  }
}
