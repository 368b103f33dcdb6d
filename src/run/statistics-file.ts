/** Reads statistics of layers' inputs from a file: a tensor for each part and layer, under INC's names, as `H/LAYER`. */
import type { CalibratedOptions } from "../calibrate/options.ts";
import type { LayerStatistics } from "../calibrate/statistics.ts";
import type { Checkpoint, CheckpointEntry } from "../checkpoint/checkpoint.ts";
import { isFloatingPoint } from "../checkpoint/zero-pruned.ts";
import { InputError, type Problem, refuseInput } from "../core/either.ts";
import { sumOf } from "../core/sum.ts";
import { hasNumbers } from "../io/dtypes.ts";
import { toFloat32 } from "../io/safetensors.ts";
import { elementCount, formatShape } from "../prune/layer.ts";

type Criterion = CalibratedOptions["criterion"];
type Part = "H" | "scaler_row" | "sum_metric_row" | "var" | "samples";

/** The parts that each criterion reads. */
const PARTS_OF: Readonly<Record<Criterion, readonly Part[]>> = {
  sparsegpt: ["H", "samples"],
  wanda: ["scaler_row", "samples"],
  dsnot: ["scaler_row", "sum_metric_row", "var", "samples"],
};
const PARTS: readonly string[] = ["H", "scaler_row", "sum_metric_row", "var", "samples"];
const MOST_COLUMNS = 2 ** 15;

/** A layer whose statistics are read. */
interface MeasuredLayer {
  readonly name: string;
  /** The number of inputs. */
  readonly columns: number;
}

/** The statistics of a file, checked against layers. */
export interface StatisticsFile {
  /** The size of the statistics of a layer in bytes. */
  readonly bytesOf: (layer: string) => number;
  /** Reads the statistics of a layer. @throws InputError if a number is not finite, or negative and may not be */
  readonly read: (layer: MeasuredLayer) => LayerStatistics;
}

/** Returns whether a part has the shape and type that it needs. */
function fits({ shape, dtype }: CheckpointEntry, part: Part, columns: number): boolean {
  switch (part) {
    case "samples":
      return elementCount(shape) === 1 && hasNumbers(dtype);
    case "H":
      return isFloatingPoint(dtype) && shape.join() === `${columns},${columns}`;
    case "scaler_row":
    case "sum_metric_row":
    case "var":
      return isFloatingPoint(dtype) && shape.join() === `${columns}`;
    default:
      return part satisfies never;
  }
}

function expectedForm(part: Part, columns: number): string {
  if (part === "samples") return "one number";
  return `floats ${formatShape(part === "H" ? [columns, columns] : [columns])}`;
}

/** Returns the problems of a layer's statistics that their names, shapes and types show. */
function layerProblems(
  path: string,
  entries: ReadonlyMap<string, CheckpointEntry>,
  { name, columns }: MeasuredLayer,
  parts: readonly Part[],
): readonly Problem[] {
  if (columns > MOST_COLUMNS)
    return [{ path: name, expected: `at most ${MOST_COLUMNS} inputs`, got: String(columns) }];
  const missing = parts.filter((part) => !entries.has(`${part}/${name}`));
  const expected = `${parts.map((part) => `${part}/${name}`).join(", ")} in ${path}`;
  const absent = missing.map((part) => `${part}/${name}`).join(", ");
  return [
    ...(missing.length > 0 ? [{ path: name, expected, got: `no ${absent}` }] : []),
    ...parts.flatMap((part) => {
      const entry = entries.get(`${part}/${name}`);
      if (entry === undefined || fits(entry, part, columns)) return [];
      const got = `${entry.dtype} ${formatShape(entry.shape)}`;
      return [{ path: `${path}: ${part}/${name}`, expected: expectedForm(part, columns), got }];
    }),
  ];
}

/** Returns a problem for each tensor that is not a known part of a module in `modules`. */
function unknownProblems(
  path: string,
  names: Iterable<string>,
  modules: ReadonlySet<string>,
): readonly Problem[] {
  return [...names].flatMap((name) => {
    const slash = name.indexOf("/");
    if (PARTS.includes(name.slice(0, slash)) && modules.has(name.slice(slash + 1))) return [];
    const expected = `names of the form PART/LAYER, with a part of ${PARTS.join(", ")} and a layer of the checkpoint`;
    return [{ path, expected, got: name }];
  });
}

/** Reads the values of a part. The diagonal of H, squared norms and variances are not negative. */
function readPart(file: Checkpoint, entry: CheckpointEntry, part: Part): Float32Array {
  const values = toFloat32(file.read(entry));
  const path = `${file.path}: ${entry.name}`;
  const wrong = values.findIndex((value) => !Number.isFinite(value));
  if (wrong >= 0) refuseInput(path, "finite numbers", `${values[wrong]} at index ${wrong}`);
  if (part === "sum_metric_row") return values;
  const stride = part === "H" ? (entry.shape[0] ?? 0) + 1 : 1;
  const negative = values.findIndex((value, i) => i % stride === 0 && value < 0);
  const what = part === "H" ? "a diagonal of at least 0" : "numbers of at least 0";
  if (negative >= 0) refuseInput(path, what, `${values[negative]} at index ${negative}`);
  return values;
}

/**
 * Checks a file of statistics against layers, and returns a reader for one layer at a time.
 *
 * @param modules the names of all modules of the checkpoint, whose statistics may be in the file
 * @throws InputError with all problems that names, shapes and types show
 */
export function statisticsOf(
  file: Checkpoint,
  layers: readonly MeasuredLayer[],
  modules: ReadonlySet<string>,
  { criterion, profile = "strict" }: CalibratedOptions,
): StatisticsFile {
  const entries = new Map(file.entries.map((entry) => [entry.name, entry]));
  for (const [alias, name] of file.tied) {
    const entry = entries.get(name);
    if (entry !== undefined) entries.set(alias, entry);
  }
  const parts = PARTS_OF[criterion];
  const problems = [
    ...layers.flatMap((layer) => layerProblems(file.path, entries, layer, parts)),
    ...unknownProblems(file.path, entries.keys(), modules),
  ];
  if (problems.length > 0) throw new InputError(problems);
  const entryOf = (part: Part, layer: string): CheckpointEntry | undefined =>
    parts.includes(part) ? entries.get(`${part}/${layer}`) : undefined;
  return {
    bytesOf: (layer) =>
      sumOf(parts, (part) => {
        const entry = entryOf(part, layer);
        return entry === undefined ? 0 : entry.end - entry.begin;
      }),
    read: ({ name, columns }) => {
      const valuesOf = (part: Part): Float32Array | null => {
        const entry = entryOf(part, name);
        return entry === undefined ? null : readPart(file, entry, part);
      };
      const samples = valuesOf("samples")?.[0] ?? 0;
      if (!Number.isInteger(samples) || samples < 1)
        refuseInput(`${file.path}: samples/${name}`, "an integer of at least 1", String(samples));
      return {
        profile,
        columns,
        samples,
        tokens: null,
        hessian: valuesOf("H"),
        squaredNorms: valuesOf("scaler_row"),
        sums: valuesOf("sum_metric_row"),
        variances: valuesOf("var"),
      };
    },
  };
}
