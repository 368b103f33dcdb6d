/**
 * Applies mistakes to AdamW, and compares the parameters that it computes for golden vectors with the bound of
 * `espalier conform`. Prints for each set of vectors and each mistake the largest ratio of a difference to the bound:
 * the largest ratio over all vectors, the smallest of the vectors' largest ratios, and how many vectors are refused.
 *
 *   npx tsx scripts/optimizer-bound.ts DIR [VARIANT ...]
 *
 * The variant `revectorized` needs Node 24 or later. DIR has the folders `model` and `encoders`, or one of them.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { adamWComparisons, adamWRows } from "../src/conform/adamw-rows.ts";
import { openCase } from "../src/conform/case-files.ts";
import type { Comparison } from "../src/conform/difference.ts";
import { ENCODER_TOLERANCES, encoderRefusal } from "../src/conform/encoders.ts";
import { MODEL_TOLERANCES } from "../src/conform/model.ts";
import { closeModelCase, openModelCase } from "../src/conform/model-case.ts";
import { optimizerComparisons } from "../src/conform/model-optimizer.ts";
import { checkOneOf } from "../src/core/checks.ts";
import { type Backend, createBackend } from "../src/kernels/backend.ts";
import { nodeEngine, turnOnFlagsOf } from "../src/node/engine.ts";
import { largestRatio, MISTAKES, withMistake } from "./adamw-mistakes.ts";

/** One optimizer run of a vector, as a source of comparisons. */
interface Run {
  readonly set: string;
  readonly vector: string;
  readonly comparisons: (backend: Backend) => Iterable<Comparison>;
}

function modelRuns(directory: string, folder: "model" | "encoders"): Run[] {
  const tolerances = folder === "model" ? MODEL_TOLERANCES : ENCODER_TOLERANCES;
  const at = join(directory, folder);
  const names = existsSync(at) ? readdirSync(at).sort() : [];
  return names.flatMap((name): Run[] => {
    if (!existsSync(join(at, name, "case.json"))) return [];
    const json = readFileSync(join(at, name, "case.json"), "utf8");
    const parsed = JSON.parse(json);
    if (folder === "encoders" && encoderRefusal(parsed) !== undefined) return [];
    const tensors = new Uint8Array(readFileSync(join(at, name, "tensors.safetensors")));
    return parsed.optimizers.map((optimizer: { readonly name: string }): Run => {
      const opened = openCase({ name, json, tensors });
      const ofRun = { ...opened, json: { ...opened.json, optimizers: [optimizer] } };
      return {
        set: `${folder} ${optimizer.name}`,
        vector: name,
        *comparisons(backend) {
          const modelCase = openModelCase(backend, ofRun, tolerances);
          try {
            yield* optimizerComparisons(modelCase);
            yield* optimizerComparisons({ ...modelCase, padding: "excluded" });
          } finally {
            closeModelCase(modelCase);
          }
        },
      };
    });
  });
}

function rowRuns(directory: string): Run[] {
  const file = join(directory, "encoders", "adamw.json");
  if (!existsSync(file)) return [];
  return adamWRows("adamw.json", readFileSync(file, "utf8")).map((row, index) => ({
    set: "encoders adamw.json",
    vector: `row ${index + 1}`,
    comparisons: (backend) => adamWComparisons(row, backend),
  }));
}

function print(...cells: readonly string[]): void {
  const widths = [12, 24, 24, 12, 12, 12];
  console.log(cells.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(" "));
}

const [directory = "", ...variants] = process.argv.slice(2);
const runs = [
  ...modelRuns(directory, "model"),
  ...modelRuns(directory, "encoders"),
  ...rowRuns(directory),
];
print("variant", "set", "mistake", "refused", "smallest", "largest", "not refused");
for (const variant of variants.length > 0 ? variants : ["scalar", "simd", "fma"]) {
  checkOneOf("VARIANT", variant, ["scalar", "simd", "fma", "revectorized"]);
  turnOnFlagsOf(variant, nodeEngine(""));
  const backend = createBackend({ variant });
  for (const set of new Set(runs.map((run) => run.set))) {
    for (const [name, mistake] of Object.entries(MISTAKES)) {
      const ratios = runs
        .filter((run) => run.set === set)
        .map(({ vector, comparisons }) => ({
          vector,
          ratio: largestRatio(comparisons(withMistake(backend, mistake))),
        }));
      const passed = ratios.filter(({ ratio }) => ratio <= 1);
      const values = ratios.map(({ ratio }) => ratio);
      print(
        variant,
        set,
        name,
        `${ratios.length - passed.length} of ${ratios.length}`,
        Math.min(...values).toPrecision(3),
        Math.max(...values).toPrecision(3),
        name === "none" ? "" : passed.map(({ vector }) => vector).join(" "),
      );
    }
  }
}
