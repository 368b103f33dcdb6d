/** `espalier bench`: parses the arguments and runs the benchmarks, which are in a separate program, dist/bench.js. */

import { existsSync } from "node:fs";
import { cpus } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { refuseInput } from "../core/either.ts";
import { availableVariants, MOST_THREADS } from "../kernels/backend.ts";
import type { KernelVariant } from "../kernels/table.ts";
import { type Engine, turnOnFlagsOf } from "../node/engine.ts";
import { kindOfPath } from "../node/files.ts";
import { findModelOrThrow } from "../node/model-name.ts";
import { type Command, defineCommand, type ExitCode } from "./command.ts";
import type { Console } from "./console.ts";
import {
  choiceOption,
  flagOption,
  integerOption,
  integersOption,
  type OptionValues,
  textOption,
} from "./options.ts";

/** The names of all benchmarks, in the order of execution. */
export const BENCHMARK_NAMES = [
  "step",
  "sparse-step",
  "padding",
  "growth",
  "memory",
  "mask-step",
  "selection",
  "groups",
  "checkpoint",
  "conversion",
  "sparse-products",
  "sparse-linear",
  "inference",
  "deployment",
  "startup",
  "transfer",
  "browser",
  "packing",
  "gemm",
  "kernels",
] as const;
export type BenchmarkName = (typeof BENCHMARK_NAMES)[number];

/** The benchmarks that take a classifier. */
const DEPLOYMENT_BENCHMARKS: readonly BenchmarkName[] = [
  "deployment",
  "startup",
  "transfer",
  "browser",
];

export interface BenchRequest {
  readonly names: readonly BenchmarkName[];
  readonly variants: readonly KernelVariant[];
  readonly threads: readonly number[];
  /** The number of rounds; null for the default of each benchmark. */
  readonly rounds: number | null;
  /** The directory with the programs that run in processes of their own. */
  readonly peersDirectory: string;
  /** Whether programs of other libraries (peers) are measured. */
  readonly runsPeers: boolean;
  /** The directories of the deployed classifier and of the same before pruning; null for a seeded one. */
  readonly model: { readonly pruned: string; readonly dense: string } | null;
  /** The directory for result files; null if no files are written. */
  readonly output: string | null;
  readonly json: boolean;
  /** The single case to measure in this process; null to run whole benchmarks. */
  readonly probe: { readonly argument: unknown } | null;
}

/** The type of `runBenchmarks`, which dist/bench.js exports. */
export type RunBenchmarks = (request: BenchRequest, console: Console) => Promise<ExitCode>;

const VARIANTS = ["revectorized", "fma", "simd", "scalar"] as const satisfies KernelVariant[];

const OPTIONS = {
  only: textOption(
    "NAME,...",
    `the benchmarks to run, of ${BENCHMARK_NAMES.join(", ")} (default: all)`,
  ),
  peers: flagOption("run the peers that are installed"),
  variant: choiceOption(VARIANTS, "kernels to measure (default: all compiled ones that run here)"),
  threads: integersOption(
    { least: 1, most: MOST_THREADS },
    "numbers of threads to measure if they matter (default 1, and all cores)",
  ),
  rounds: integerOption(
    { least: 1 },
    "rounds in which all take turns (default: each benchmark's own number)",
  ),
  model: textOption(
    "DIR",
    "the pruned classifier of deployment benchmarks, or a model in the Hugging Face cache (default: a seeded one of MiniLM's shape, 4x1 at 90 %)",
  ),
  dense: textOption(
    "DIR",
    "the same classifier before pruning, for dense subjects (default: --model)",
  ),
  out: textOption("DIR", "write NAME.json and, if there are curves, NAME.svg of each there"),
  probe: textOption(
    "JSON",
    "measure this one case of the benchmark that --only names, in this process, and print it: how memory benchmarks start themselves",
  ),
} as const;

type Values = OptionValues<typeof OPTIONS>;

/** Returns the requested benchmarks, in the order of {@link BENCHMARK_NAMES}. */
function chosen(only: string | undefined): readonly BenchmarkName[] {
  if (only === undefined) return BENCHMARK_NAMES;
  const asked: readonly string[] = only.split(",").map((name) => name.trim());
  const known: readonly string[] = BENCHMARK_NAMES;
  const unknown = asked.find((name) => !known.includes(name));
  if (unknown !== undefined) refuseInput("--only", `names of ${known.join(", ")}`, unknown);
  return BENCHMARK_NAMES.filter((name) => asked.includes(name));
}

/** Returns the directory that an option names. Throws if there is none. */
async function directoryOf(option: string, given: string): Promise<string> {
  const { path } = await findModelOrThrow(option, given);
  const kind = await kindOfPath(path);
  return kind === "directory" ? path : refuseInput(option, "a directory", `${kind}: ${given}`);
}

/** Returns the directories of the classifier to deploy; null if none is given. */
async function modelOf(
  { model, dense }: Values,
  names: readonly BenchmarkName[],
): Promise<BenchRequest["model"]> {
  if (model === undefined)
    return dense === undefined ? null : refuseInput("--dense", "--model beside it", "none");
  if (!DEPLOYMENT_BENCHMARKS.some((name) => names.includes(name)))
    refuseInput("--model", `--only with ${DEPLOYMENT_BENCHMARKS.join(", ")}`, names.join(", "));
  const pruned = await directoryOf("--model", model);
  return { pruned, dense: dense === undefined ? pruned : await directoryOf("--dense", dense) };
}

/** Turns on the flags of a variant. Returns whether the engine can run the variant. */
function turnOn(variant: KernelVariant, engine: Engine | null): boolean {
  const hasFlags = turnOnFlagsOf(variant, engine);
  return variant === "revectorized" ? hasFlags : availableVariants().includes(variant);
}

/**
 * Returns the variants to measure: the requested one, or else all compiled variants, or scalar loops if there are none.
 */
function variantsOf(
  asked: KernelVariant | undefined,
  { engine, err }: Console,
): readonly KernelVariant[] {
  if (asked !== undefined) {
    if (!turnOn(asked, engine)) refuseInput("--variant", "kernels that this engine has", asked);
    return [asked];
  }
  const compiled = VARIANTS.filter((name) => name !== "scalar" && turnOn(name, engine));
  if (compiled.length > 1 && compiled.includes("revectorized"))
    err.write(
      "kernels: the flag of revectorized is on for the others too; --variant measures one without it\n",
    );
  return compiled.length > 0 ? compiled : ["scalar"];
}

/** Returns the root directory of this package, whether this is a source file or the built file. */
function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, "package.json")) && folder !== dirname(folder))
    folder = dirname(folder);
  return folder;
}

/** Parses the value of `--probe`; null if the option is not given. */
function probeOf({ probe, only, variant }: Values): BenchRequest["probe"] {
  if (probe === undefined) return null;
  if (only === undefined || variant === undefined)
    refuseInput("--probe", "--variant, and --only with a benchmark that has probes", only ?? "");
  try {
    return { argument: JSON.parse(probe) };
  } catch {
    refuseInput("--probe", "JSON", probe);
  }
}

/** Loads the program with the benchmarks. @throws InputError if it has not been built */
export async function loadBenchmarks(
  path: string = join(packageRoot(), "dist", "bench.js"),
): Promise<RunBenchmarks> {
  if (!existsSync(path))
    refuseInput(path, "the benchmarks, which `npm run build` makes", "no file");
  const program = await import(/* @vite-ignore */ pathToFileURL(path).href);
  return program.runBenchmarks;
}

export const benchCommand: Command = defineCommand({
  name: "bench",
  summary: "measure this library's speed and memory, and compare them with installed peers",
  description: [
    "Runs the benchmarks of bench/ on seeded data. All subjects take turns in every round, so that a busy machine slows all of them down; figures are medians, with the lowest and highest.",
    "Peers: PyTorch and onnxruntime for the interpreter that PYTHON names (default python3), DeepSparse for DEEPSPARSE_PYTHON (default PYTHON), and those in JavaScript after `npm ci --ignore-scripts` in the package's bench/peers. A peer that is not installed is named and left out.",
  ],
  positionals: [],
  options: OPTIONS,
  run: async ({ values, json }, console) => {
    const cores = cpus().length;
    const names = chosen(values.only);
    const request: BenchRequest = {
      names,
      variants: variantsOf(values.variant, console),
      threads: values.threads ?? (cores > 1 ? [1, cores] : [1]),
      rounds: values.rounds ?? null,
      peersDirectory: join(packageRoot(), "bench", "peers"),
      runsPeers: values.peers === true,
      model: await modelOf(values, names),
      output: values.out ?? null,
      json,
      probe: probeOf(values),
    };
    const runBenchmarks = await loadBenchmarks();
    return runBenchmarks(request, console);
  },
});
