/** `espalier bench`: the benchmarks of bench/, with peers where they are installed. */

import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { cpus, totalmem } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { BenchContext, Benchmark, BenchReport } from "../../bench/benchmark.ts";
import { BENCHMARKS } from "../../bench/benchmarks.ts";
import { startPeer } from "../../bench/peers/peer.ts";
import { formatBenchTable, plotsAsSvg, tablesAsData } from "../../bench/report.ts";
import { InputError } from "../core/either.ts";
import { availableVariants } from "../kernels/backend.ts";
import type { KernelVariant } from "../kernels/table.ts";
import { writeFileAtomically } from "../node/files.ts";
import { type Command, defineCommand } from "./command.ts";
import type { Console } from "./console.ts";
import { type Engine, turnOnFlagsOf } from "./engine.ts";
import {
  choiceOption,
  flagOption,
  integerOption,
  integersOption,
  type OptionValues,
  textOption,
} from "./options.ts";

const NAMES = BENCHMARKS.map(({ name }) => name);
const VARIANTS = ["revectorized", "fma", "simd", "scalar"] as const satisfies KernelVariant[];
const MOST_THREADS = 256;

const OPTIONS = {
  only: textOption("NAME,...", `the benchmarks to run, of ${NAMES.join(", ")} (default: all)`),
  peers: flagOption("run the peers that are installed beside this library"),
  variant: choiceOption(VARIANTS, "kernels to measure (default: all compiled ones that run here)"),
  threads: integersOption(
    { least: 1, most: MOST_THREADS },
    "numbers of threads to measure where they matter (default 1, and all cores)",
  ),
  rounds: integerOption({ least: 1 }, "rounds in which all take turns (default: each its own)"),
  out: textOption("DIR", "write NAME.json and, where there are curves, NAME.svg of each there"),
  probe: textOption(
    "JSON",
    "measure this one case of the benchmark that --only names, in this process, and print it: what benchmarks of memory start by themselves",
  ),
} as const;

type Values = OptionValues<typeof OPTIONS>;

function refuse(path: string, expected: string, got: string): never {
  throw new InputError([{ path, expected, got }]);
}

/** The benchmarks asked for, in their own order. */
function chosen(only: string | undefined): readonly Benchmark[] {
  if (only === undefined) return BENCHMARKS;
  const asked = only.split(",").map((name) => name.trim());
  const unknown = asked.find((name) => !NAMES.includes(name));
  if (unknown !== undefined) refuse("--only", `names of ${NAMES.join(", ")}`, unknown);
  return BENCHMARKS.filter(({ name }) => asked.includes(name));
}

/** Turns on what a variant needs; whether the engine has it. */
function turnOn(variant: KernelVariant, engine: Engine | null): boolean {
  const hasFlags = turnOnFlagsOf(variant, engine);
  return variant === "revectorized" ? hasFlags : availableVariants().includes(variant);
}

/** The kernels to measure: the one asked for, or all compiled ones (scalar loops where there are none). */
function variantsOf(
  asked: KernelVariant | undefined,
  { engine, err }: Console,
): readonly KernelVariant[] {
  if (asked !== undefined) {
    if (!turnOn(asked, engine)) refuse("--variant", "kernels that this engine has", asked);
    return [asked];
  }
  const compiled = VARIANTS.filter((name) => name !== "scalar" && turnOn(name, engine));
  if (compiled.length > 1 && compiled.includes("revectorized"))
    err.write(
      "kernels: the flag of revectorized is on for the others, too; --variant measures one without\n",
    );
  return compiled.length > 0 ? compiled : ["scalar"];
}

/** The folder of the peers' programs: bench/peers of the package that this file belongs to. */
function peersDirectory(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, "package.json")) && folder !== dirname(folder))
    folder = dirname(folder);
  return join(folder, "bench", "peers");
}

/** Runs this command in a process of its own on one case. */
function probeBy(script: string): BenchContext["probe"] {
  return (name, variant, argument) => {
    const command = [...process.execArgv, script, "bench", "--only", name, "--variant", variant];
    const probe = [...command, "--probe", JSON.stringify(argument)];
    return new Promise((resolve, reject) => {
      execFile(process.execPath, probe, (error, out, err) => {
        if (error === null) resolve(JSON.parse(out));
        else reject(new Error(`${name}: the probe failed: ${err || error.message}`));
      });
    });
  };
}

function contextOf(values: Values, console: Console): BenchContext {
  const { workerScript, signal } = console;
  const cores = cpus().length;
  const peers = peersDirectory();
  return {
    variants: variantsOf(values.variant, console),
    threads: values.threads ?? (cores > 1 ? [1, cores] : [1]),
    rounds: values.rounds ?? null,
    startPeer: async (script, request) => {
      if (values.peers !== true) return undefined;
      const peer = await startPeer(join(peers, script), request);
      if (peer === undefined) console.err.write(`${script}: its engine is not installed\n`);
      return peer;
    },
    probe: probeBy(workerScript === null ? "" : fileURLToPath(workerScript)),
    say: () => undefined,
    signal,
  };
}

function machineText(): string {
  const gibibytes = Math.round(totalmem() / 2 ** 30);
  return `${cpus()[0]?.model ?? "unknown"}, ${cpus().length} cores, ${gibibytes} GiB`;
}

/** The document of a benchmark: what was measured, where, and the tables. */
function documentOf(name: string, context: BenchContext, report: BenchReport) {
  const { variants, threads, rounds } = context;
  return {
    benchmark: name,
    node: process.version,
    machine: machineText(),
    ...{ variants, threads, rounds },
    tables: tablesAsData(report),
  };
}

function write(folder: string, name: string, document: unknown, report: BenchReport): void {
  writeFileAtomically(join(folder, `${name}.json`), `${JSON.stringify(document, null, 2)}\n`);
  const svg = plotsAsSvg(report);
  if (svg !== undefined) writeFileAtomically(join(folder, `${name}.svg`), svg);
}

async function runProbe(values: Values, text: string, console: Console): Promise<0> {
  const [benchmark] = chosen(values.only);
  const probe = values.only === undefined ? undefined : benchmark?.probe;
  if (probe === undefined || values.variant === undefined)
    refuse("--probe", "--variant, and --only with a benchmark that has probes", values.only ?? "");
  variantsOf(values.variant, console);
  let argument: unknown;
  try {
    argument = JSON.parse(text);
  } catch {
    refuse("--probe", "JSON", text);
  }
  console.out.write(`${JSON.stringify(await probe(values.variant, argument))}\n`);
  return 0;
}

/** The command. */
export const benchCommand: Command = defineCommand({
  name: "bench",
  summary: "measure this library's speed and memory, beside others where they are installed",
  description: [
    "Runs the benchmarks of bench/ on seeded data. Whoever is compared takes turns in every round, so that a busy machine slows all down; figures are medians, with the lowest and highest.",
    "Peers: PyTorch for the interpreter that PYTHON names (default python3), and those in JavaScript after `npm ci --ignore-scripts` in the package's bench/peers. One that is not installed is left out, and named.",
  ],
  positionals: [],
  options: OPTIONS,
  run: async ({ values, json }, console) => {
    if (values.probe !== undefined) return runProbe(values, values.probe, console);
    const benchmarks = chosen(values.only);
    if (values.out !== undefined) await mkdir(values.out, { recursive: true });
    const base = contextOf(values, console);
    if (!json) console.out.write(`Node ${process.version}, ${machineText()}\n`);
    for (const benchmark of benchmarks) {
      if (console.signal.aborted) return 130;
      const context: BenchContext = {
        ...base,
        say: (text) => console.err.write(`${benchmark.name}: ${text}\n`),
      };
      try {
        const report = await benchmark.run(context);
        const document = documentOf(benchmark.name, context, report);
        if (values.out !== undefined) write(values.out, benchmark.name, document, report);
        console.out.write(
          json
            ? `${JSON.stringify(document)}\n`
            : `\n${report.tables.map(formatBenchTable).join("\n\n")}\n`,
        );
      } catch (error) {
        if (console.signal.aborted) return 130;
        throw error;
      }
    }
    return 0;
  },
});
