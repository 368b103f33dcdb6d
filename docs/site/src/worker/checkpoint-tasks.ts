/** The tasks on a checkpoint: the functions of the commands `inspect` and `verify`, with plain data as results. */
import { chooseLayers, requireLayers } from "../../../../src/checkpoint/choice.ts";
import { inspectCheckpoint } from "../../../../src/checkpoint/inspect.ts";
import { layersOfTensor } from "../../../../src/checkpoint/layers.ts";
import {
  type CheckpointVerdict,
  verifyCheckpoint,
} from "../../../../src/checkpoint/verify-checkpoint.ts";
import { refuseInput } from "../../../../src/core/either.ts";
import { sumOf } from "../../../../src/core/sum.ts";
import {
  layOut,
  PATTERN_SPELLINGS,
  type Pattern,
  parsePattern,
} from "../../../../src/prune/pattern.ts";
import { accountLines } from "../../../../src/report/account.ts";
import { exampleFiles } from "./example.ts";
import { type GivenCheckpoint, openGiven } from "./given-checkpoint.ts";
import {
  distributionOf,
  type LayerMatrix,
  layerNames,
  pictureOf,
  readMatrix,
} from "./layer-matrix.ts";
import type {
  InspectedTensor,
  OpenedCheckpoint,
  Progress,
  Tasks,
  Verdict,
  VerifyRequest,
  Violation,
} from "./protocol.ts";
import { turnsUnder } from "./turns.ts";

/** What a task may use beside its input. */
export interface TaskRun {
  readonly signal: AbortSignal;
  readonly onProgress: (progress: Progress) => void;
}

export type TaskTable = {
  readonly [Name in keyof Tasks]: (
    input: Tasks[Name]["takes"],
    run: TaskRun,
  ) => Promise<Tasks[Name]["returns"]>;
};

function describe({ checkpoint, survey }: GivenCheckpoint): OpenedCheckpoint {
  const { path, layout, files } = checkpoint;
  return {
    path,
    layout,
    files: files.length,
    bytes: sumOf(files, ({ bytes }) => bytes),
    tensors: survey.map((tensor) => ({
      name: tensor.name,
      role: tensor.role,
      axes: tensor.axes ?? "",
      dtype: tensor.entry.dtype,
      shape: tensor.shape,
      bytes: tensor.entry.end - tensor.entry.begin,
      layers: layerNames(tensor),
    })),
  };
}

async function inspect(
  { checkpoint, survey }: GivenCheckpoint,
  { signal, onProgress }: TaskRun,
): Promise<readonly InspectedTensor[]> {
  const turn = turnsUnder(signal);
  let done = 0;
  const { tensors } = await inspectCheckpoint(checkpoint, survey, null, async () => {
    onProgress({ done, total: survey.length });
    done++;
    await turn();
  });
  return tensors.map(({ tensor, weight, packed }) => ({
    name: tensor.name,
    zeros: weight?.zeros ?? 0,
    elements: weight?.elements ?? 0,
    nonFinite: weight?.nonFinite ?? 0,
    patterns: (weight?.patterns ?? []).map(({ pattern, sparseBlocks, blocks }) => ({
      pattern,
      share: blocks === 0 ? 0 : sparseBlocks / blocks,
    })),
    packedLayout: packed.layout,
    packedBytes: packed.bytes,
    isWeight: weight !== null,
  }));
}

/** Returns the region of the first block that breaks the pattern. */
function violationOf(
  { survey }: GivenCheckpoint,
  { violation }: CheckpointVerdict,
  pattern: Pattern,
): Violation | null {
  if (violation === null) return null;
  const { layer: name, row, column } = violation;
  const layer = survey.flatMap(layersOfTensor).find((one) => one.name === name);
  if (layer === undefined) return null;
  const { blockHeight, blockWidth } = layOut(pattern, layer);
  return { tensor: layer.tensor, layer: name, row, column, height: blockHeight, width: blockWidth };
}

async function verify(
  given: GivenCheckpoint,
  { pattern: text, excludeHead, ...options }: VerifyRequest,
  { signal, onProgress }: TaskRun,
): Promise<Verdict> {
  const { checkpoint, survey } = given;
  const pattern = parsePattern(text);
  if (pattern === undefined) return refuseInput("pattern", PATTERN_SPELLINGS, text || "none");
  const choice = chooseLayers(survey, { excludeHead });
  requireLayers(checkpoint.path, choice, "judge");
  const turn = turnsUnder(signal);
  let done = 0;
  const verdict = await verifyCheckpoint(
    checkpoint,
    survey,
    choice,
    { pattern, ...options },
    async () => {
      onProgress({ done, total: choice.chosen.length });
      done++;
      await turn();
    },
  );
  const tensorOf = new Map(
    survey.flatMap(layersOfTensor).map(({ name, tensor }) => [name, tensor]),
  );
  return {
    passed: verdict.passed,
    pattern: verdict.pattern,
    isGroups: pattern.kind === "group",
    sparsity: verdict.sparsity,
    faults: verdict.faults,
    account: accountLines("judged", verdict),
    layers: verdict.layers.map(({ remainder: _, violation: __, ...layer }) => ({
      ...layer,
      tensor: tensorOf.get(layer.name) ?? layer.name,
    })),
    violation: violationOf(given, verdict, pattern),
  };
}

/** Creates the tasks. They share the checkpoint that was opened last. */
export function createTasks(): TaskTable {
  let given: GivenCheckpoint | null = null;
  let last: LayerMatrix | null = null;
  const opened = (): GivenCheckpoint =>
    given ?? refuseInput("files", "a checkpoint that is open", "none");
  const matrixOf = ({ tensor, layer }: { tensor: string; layer: string }): LayerMatrix => {
    if (last?.tensor === tensor && last.layer === layer) return last;
    // Free the previous matrix before reading the next.
    last = null;
    last = readMatrix(opened(), tensor, layer);
    return last;
  };
  return {
    open: async (files) => {
      [given, last] = [null, null];
      given = await openGiven(files);
      return describe(given);
    },
    example: async () => exampleFiles(),
    inspect: async (_, run) => inspect(opened(), run),
    verify: async (request, run) => verify(opened(), request, run),
    distribution: async (place) => distributionOf(matrixOf(place)),
    picture: async (request) => pictureOf(matrixOf(request), request),
  };
}
