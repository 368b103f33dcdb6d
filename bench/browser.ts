/** A pruned classifier in a page of Chromium beside onnxruntime-web and transformers.js. */
import { readdirSync } from "node:fs";
import { basename, dirname } from "node:path";
import type { KernelVariant } from "../src/kernels/table.ts";
import {
  type BenchContext,
  type Benchmark,
  type BenchTable,
  type Cell,
  takeTurns,
} from "./benchmark.ts";
import { compareSubjects } from "./deployed-comparison.ts";
import { BATCHES, type DeployedModels, withDeployedModels } from "./deployed-models.ts";
import {
  type DeployedSubject,
  FLOAT32,
  INT8,
  packedName,
  runsInRuntime,
} from "./deployed-subjects.ts";
import { spreadOf } from "./measure.ts";
import type { Peer } from "./peers/peer.ts";

const SCRIPT = "chromium.mjs";
const ROUNDS = 5;
const WARM_UP = 1;
/** The batch of the first logits. */
const FIRST = "1x32";
/** The kernels that Chromium runs without a flag. */
const VARIANTS: readonly KernelVariant[] = ["fma", "simd"];

function ownSubjects(
  { packed, pruned }: DeployedModels,
  variant: KernelVariant,
  threads: number,
): readonly DeployedSubject[] {
  return packed.map(({ directory, isInt8, fitsRuntime }): DeployedSubject => {
    const files = readdirSync(directory);
    const inRuntime = fitsRuntime && runsInRuntime(variant, threads);
    const engine = inRuntime ? "espalier/runtime" : "espalier";
    const request = { engine, directory, files, variant, threads, layers: "auto" };
    return {
      ...{ engine: `${engine} ${variant}`, weights: packedName(isInt8), threads, model: pruned },
      tolerance: isInt8 ? INT8 : FLOAT32,
      start: (context, batches) => context.startProgram(SCRIPT, { ...request, batches }),
    };
  });
}

function peers({ dense, onnx }: DeployedModels, threads: number): readonly DeployedSubject[] {
  if (onnx === null) return [];
  const peer = (engine: string, tolerance: number, request: object): DeployedSubject => ({
    ...{ engine, threads, model: dense, tolerance },
    weights: tolerance === INT8 ? "dense, 8-bit" : "dense",
    start: (context, batches) =>
      context.startPeer(SCRIPT, { engine, threads, ...request, batches }),
  });
  const [web, transformers] = ["onnxruntime-web", "transformers.js"];
  const fileOf = (path: string) => ({ directory: dirname(path), file: basename(path) });
  const { directory } = onnx;
  return [
    peer(web, FLOAT32, fileOf(onnx.dense)),
    ...(onnx.denseInt8 === undefined
      ? []
      : [
          peer(web, INT8, fileOf(onnx.denseInt8)),
          peer(transformers, INT8, { directory, dtype: "q8" }),
        ]),
  ];
}

/** Times from the navigation of a new page to its first logits. */
async function loadTable(
  context: BenchContext,
  models: DeployedModels,
  subjects: readonly DeployedSubject[],
): Promise<BenchTable> {
  const running: { readonly subject: DeployedSubject; readonly peer: Peer }[] = [];
  try {
    for (const subject of subjects) {
      const batches = subject.model.batches.filter(({ name }) => name === FIRST);
      const peer = await subject.start(context, batches);
      if (peer !== undefined) running.push({ subject, peer });
    }
    const loads = running.map(({ subject: { engine, threads }, peer }) => ({
      ...{ name: engine, threads, kinds: ["load"] as const, stop: peer.stop },
      time: async () => Number(await peer.ask("load")),
    }));
    const times = await takeTurns(context, loads, { rounds: ROUNDS, warmUp: WARM_UP });
    const rows = running.map(({ subject, peer }, i): readonly Cell[] => [
      ...[peer.name, subject.weights, spreadOf(times[i].get("load") ?? [])],
    ]);
    return {
      title: `${models.title}: from the navigation of a page to the logits of ${FIRST}, 1 thread`,
      columns: [{ name: "engine" }, { name: "weights" }, { name: "ms" }],
      rows,
    };
  } finally {
    for (const { peer } of running) peer.stop();
  }
}

/** Deployed classifiers in pages, compared with other engines. */
export const browserBenchmark: Benchmark = {
  run: (context) =>
    withDeployedModels(context, async (models) => {
      const variants = VARIANTS.filter((variant) => context.variants.includes(variant));
      const subjects = (threads: number): readonly DeployedSubject[] => [
        ...variants.flatMap((variant) => ownSubjects(models, variant, threads)),
        ...peers(models, threads),
      ];
      const times = await compareSubjects(context, models, {
        title: "a forward pass in a page (from text, onnxruntime-web from token ids)",
        subjects,
        compared: ["onnxruntime-web", "transformers.js"],
        batches: Object.keys(BATCHES),
      });
      context.say("pages");
      return { tables: [...times, await loadTable(context, models, subjects(1))], plots: [] };
    }),
};
