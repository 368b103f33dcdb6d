/** The program of `espalier bench`, built as dist/bench.js: runs benchmarks and writes their results. */
import { execFile } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { cpus, totalmem } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { BenchRequest, RunBenchmarks } from "../src/cli/bench.ts";
import type { Console } from "../src/cli/console.ts";
import { InputError } from "../src/core/either.ts";
import { writeFileAtomically } from "../src/node/files.ts";
import type { BenchContext, BenchReport } from "./benchmark.ts";
import { BENCHMARKS } from "./benchmarks.ts";
import { startPeer } from "./peers/peer.ts";
import { formatBenchTable, plotsAsSvg, tablesAsData } from "./report.ts";

/** Runs this command in a separate process on one case. */
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

function contextOf(request: BenchRequest, { err, workerScript, signal }: Console): BenchContext {
  const { variants, threads, rounds, peersDirectory, runsPeers, model } = request;
  const startProgram: BenchContext["startProgram"] = async (script, asked, heap) => {
    const peer = await startPeer(join(peersDirectory, script), asked, heap);
    if (peer === undefined) err.write(`${script}: its engine is not installed\n`);
    return peer;
  };
  return {
    variants,
    threads,
    rounds,
    runsPeers,
    model,
    startProgram,
    startPeer: async (...asked) => (runsPeers ? startProgram(...asked) : undefined),
    probe: probeBy(workerScript === null ? "" : fileURLToPath(workerScript)),
    say: () => undefined,
    signal,
  };
}

function machineText(): string {
  const gibibytes = Math.round(totalmem() / 2 ** 30);
  return `${cpus()[0]?.model ?? "unknown"}, ${cpus().length} cores, ${gibibytes} GiB`;
}

/** The document of a benchmark: what was measured, on which machine, and the tables. */
function documentOf(name: string, request: BenchRequest, report: BenchReport) {
  const { variants, threads, rounds } = request;
  return {
    benchmark: name,
    node: process.version,
    machine: machineText(),
    variants,
    threads,
    rounds,
    tables: tablesAsData(report),
  };
}

function write(folder: string, name: string, document: unknown, report: BenchReport): void {
  writeFileAtomically(join(folder, `${name}.json`), `${JSON.stringify(document, null, 2)}\n`);
  const svg = plotsAsSvg(report);
  if (svg !== undefined) writeFileAtomically(join(folder, `${name}.svg`), svg);
}

/** Measures the case `argument` of one benchmark in this process and prints the result. */
async function runProbe(
  { names, variants }: BenchRequest,
  argument: unknown,
  { out }: Console,
): Promise<0> {
  const { probe } = BENCHMARKS[names[0]];
  if (probe === undefined)
    throw new InputError([
      {
        path: "--probe",
        expected: "--variant, and --only with a benchmark that has probes",
        got: names[0],
      },
    ]);
  out.write(`${JSON.stringify(await probe(variants[0], argument))}\n`);
  return 0;
}

/** Runs the benchmarks asked for, one after the other. */
export const runBenchmarks: RunBenchmarks = async (request, console) => {
  const { out, err, signal } = console;
  const { names, output, json, probe } = request;
  if (probe !== null) return runProbe(request, probe.argument, console);
  if (output !== null) await mkdir(output, { recursive: true });
  const context = contextOf(request, console);
  if (!json) out.write(`Node ${process.version}, ${machineText()}\n`);
  for (const name of names) {
    if (signal.aborted) return 130;
    try {
      const say = (text: string): void => err.write(`${name}: ${text}\n`);
      const report = await BENCHMARKS[name].run({ ...context, say });
      const document = documentOf(name, request, report);
      if (output !== null) write(output, name, document, report);
      out.write(
        json
          ? `${JSON.stringify(document)}\n`
          : `\n${report.tables.map(formatBenchTable).join("\n\n")}\n`,
      );
    } catch (error) {
      if (signal.aborted) return 130;
      throw error;
    }
  }
  return 0;
};
