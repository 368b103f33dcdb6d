/** The subjects of the deployment benchmarks: this library and its peers, each in a process of its own. */
import type { KernelVariant } from "../src/kernels/table.ts";
import { engineFlags } from "../src/node/engine.ts";
import type { BenchContext, PeerScript } from "./benchmark.ts";
import type {
  DeployedBatch,
  DeployedModel,
  DeployedModels,
  PackedModel,
} from "./deployed-models.ts";
import type { Peer, PeerHeap } from "./peers/peer.ts";

/** What a subject reads: token ids, or texts that it splits itself. */
export type SubjectInput = "ids" | "text";

/** A program with a model. */
export interface DeployedSubject {
  /** The engine without its version. */
  readonly engine: string;
  /** The weights, and how they are stored. */
  readonly weights: string;
  readonly threads: number;
  readonly model: DeployedModel;
  /** The largest allowed error of logits, as a share of the largest logit. */
  readonly tolerance: number;
  /** Starts the program for these batches; undefined if it is not installed. */
  readonly start: (
    context: BenchContext,
    batches: readonly DeployedBatch[],
    heap?: PeerHeap,
  ) => Promise<Peer | undefined>;
}

/** Float32 logits differ by the order of sums. */
export const FLOAT32 = 1e-4;
/** Logits of 8-bit weights: only nonsense is refused. The error is a result. */
export const INT8 = 1;

/** This library on one kernel variant. */
export function ownSubjects(
  { dense, pruned, packed }: DeployedModels,
  variant: KernelVariant,
  threads: number,
  input: SubjectInput,
): readonly DeployedSubject[] {
  const flagged = variant === "fma" || variant === "revectorized" ? variant : undefined;
  const flags = flagged === undefined ? [] : (engineFlags(process.versions.node, flagged) ?? []);
  const own = (
    weights: string,
    model: DeployedModel,
    { directory, isInt8 }: Pick<PackedModel, "directory" | "isInt8">,
    runtime: boolean = false,
  ): DeployedSubject => {
    const layers = model === dense ? "dense" : "auto";
    const request = { directory, variant, flags, threads, layers, input, runtime };
    return {
      engine: `${runtime ? "espalier/runtime" : "espalier"} ${variant}`,
      ...{ weights, threads, model, tolerance: isInt8 ? INT8 : FLOAT32 },
      start: (context, batches, heap) =>
        context.startProgram("espalier.mjs", { ...request, batches }, heap),
    };
  };
  const packedSubjects = packed.map((one) => own(packedName(one.isInt8), pruned, one));
  const inRuntime = input === "text" && runsInRuntime(variant, threads);
  const runtimeSubjects = packed
    .filter(({ fitsRuntime }) => inRuntime && fitsRuntime)
    .map((one) => own(packedName(one.isInt8), pruned, one, true));
  const whole = { directory: dense.directory, isInt8: false };
  return [own("dense", dense, whole), ...packedSubjects, ...runtimeSubjects];
}

/** Whether espalier/runtime has these kernels. It runs on one thread. */
export function runsInRuntime(variant: KernelVariant, threads: number): boolean {
  return variant !== "scalar" && threads === 1;
}

/** The name of packed weights. */
export function packedName(isInt8: boolean): string {
  return isInt8 ? "pruned, 8-bit" : "pruned";
}

/** The engines that people use otherwise. */
export function peerSubjectsOf(
  { pruned, dense, onnx }: DeployedModels,
  threads: number,
  input: SubjectInput,
): readonly DeployedSubject[] {
  if (onnx === null) return [];
  const peer = (
    engine: string,
    script: PeerScript,
    precision: "float32" | "8-bit",
    path: string | undefined,
    more: object = {},
    model: DeployedModel = dense,
  ): readonly DeployedSubject[] => {
    if (path === undefined) return [];
    const kind = model === dense ? "dense" : "pruned";
    const weights = precision === "8-bit" ? `${kind}, 8-bit` : kind;
    const tolerance = precision === "8-bit" ? INT8 : FLOAT32;
    return [
      {
        ...{ engine, weights, threads, model, tolerance },
        start: (context, batches, heap) =>
          context.startPeer(script, { model: path, threads, batches, ...more }, heap),
      },
    ];
  };
  const { directory, inputs } = onnx;
  if (input === "text")
    return [
      ...peer("transformers.js", "transformers_js.mjs", "float32", onnx.dense, {
        ...{ directory, dtype: "fp32" },
      }),
      ...peer("transformers.js", "transformers_js.mjs", "8-bit", onnx.denseInt8, {
        ...{ directory, dtype: "q8" },
      }),
    ];
  const session = "onnxruntime_session.mjs";
  const [web, node] = [{ runtime: "web" }, { runtime: "node" }];
  const python = "onnxruntime_session.py";
  const deepsparse = "deepsparse_session.py";
  return [
    ...peer("onnxruntime-web", session, "float32", onnx.dense, web),
    ...peer("onnxruntime-web", session, "8-bit", onnx.denseInt8, web),
    ...peer("onnxruntime-node", session, "float32", onnx.dense, node),
    ...peer("onnxruntime-node", session, "8-bit", onnx.denseInt8, node),
    ...peer("onnxruntime", python, "float32", onnx.dense),
    ...peer("onnxruntime", python, "8-bit", onnx.denseInt8),
    ...peer("DeepSparse", deepsparse, "float32", onnx.pruned, { inputs }, pruned),
    ...peer("DeepSparse", deepsparse, "8-bit", onnx.prunedInt8, { inputs }, pruned),
  ];
}

/**
 * Compares the logits of a started subject with those of this library's dense kernels. Returns the largest error as a
 * share of the largest logit.
 *
 * @throws Error if the error is above the subject's tolerance
 */
export async function checkLogits(
  { engine, weights, model, tolerance }: DeployedSubject,
  peer: Peer,
  batches: readonly DeployedBatch[],
): Promise<number> {
  const logitsOf = (name: string): Float32Array => model.logits.get(name) ?? new Float32Array();
  const all = batches.flatMap(({ name }) => Array.from(logitsOf(name), Math.abs));
  const scale = Math.max(...all);
  let largest = 0;
  for (const { name } of batches) {
    const expected = logitsOf(name);
    const got = (await peer.ask(`logits:${name}`)) as readonly number[];
    const error = logitError(expected, got) / scale;
    if (!(error <= tolerance))
      throw new Error(
        `${engine}, ${weights}: expected logits of ${name} within ${tolerance}, got an error of ${error}`,
      );
    largest = Math.max(largest, error);
  }
  return largest;
}

/** The largest difference; NaN if there is a NaN or another number of logits. */
function logitError(expected: Float32Array, got: readonly number[]): number {
  if (got.length !== expected.length) return Number.NaN;
  return expected.reduce((most, logit, i) => Math.max(most, Math.abs(logit - got[i])), 0);
}
