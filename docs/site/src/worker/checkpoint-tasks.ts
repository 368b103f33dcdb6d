/** The tasks on a checkpoint: the functions of the commands `inspect` and `verify`, with plain data as results. */
import { chooseLayers, requireLayers } from "../../../../src/checkpoint/choice.ts";
import { inspectCheckpoint } from "../../../../src/checkpoint/inspect.ts";
import { layersOfTensor } from "../../../../src/checkpoint/layers.ts";
import {
  type CheckpointVerdict,
  verifyCheckpoint,
} from "../../../../src/checkpoint/verify-checkpoint.ts";
import { refuseInput } from "../../../../src/core/either.ts";
import {
  layOut,
  PATTERN_SPELLINGS,
  type Pattern,
  parsePattern,
} from "../../../../src/prune/pattern.ts";
import { accountLines } from "../../../../src/report/account.ts";
import type { LoadedRuntime } from "./classifying.ts";
import { describe } from "./described-checkpoint.ts";
import { exampleFiles } from "./example.ts";
import { type GivenCheckpoint, openGiven } from "./given-checkpoint.ts";
import { distributionOf, type LayerMatrix, pictureOf, readMatrix } from "./layer-matrix.ts";
import type {
  InspectedTensor,
  Source,
  Tasks,
  Verdict,
  VerifyRequest,
  Violation,
} from "./protocol.ts";
import { type PrunedFiles, pack, prune } from "./pruning.ts";
import type { TaskRun } from "./task-run.ts";
import type { Training } from "./training.ts";
import { turnsUnder } from "./turns.ts";

export type TaskTable = {
  readonly [Name in keyof Tasks]: (
    input: Tasks[Name]["takes"],
    run: TaskRun,
  ) => Promise<Tasks[Name]["returns"]>;
};

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

/** The tasks of training. `onWeights` is called when there are new weights to look at. */
function trainingTasks(trainer: () => Promise<Training>, onWeights: () => void) {
  const following = (run: TaskRun): TaskRun => ({
    ...run,
    onNews: (news) => {
      if (news.kind === "weights") onWeights();
      run.onNews(news);
    },
  });
  return {
    train: async (request, run) => (await trainer()).start(request, following(run)),
    resumeTraining: async (_, run) => (await trainer()).resume(following(run)),
    pauseTraining: async () => {
      (await trainer()).pause();
      return null;
    },
    discardTraining: async () => {
      await (await trainer()).discard();
      return null;
    },
    savedTraining: async () => (await trainer()).saved(),
    trainingInputs: async (own) => (await trainer()).inputs(own),
    trainedFiles: async ({ name, isPacked }, run) => (await trainer()).files(name, isPacked, run),
  } satisfies Partial<TaskTable>;
}

/** The place of a layer in one of the open checkpoints. */
interface LayerPlace {
  readonly source: Source;
  readonly tensor: string;
  readonly layer: string;
}

/** Creates the tasks. They share the checkpoint that was opened last, and the one that was made of it last. */
export function createTasks(): TaskTable {
  let given: GivenCheckpoint | null = null;
  let pruned: PrunedFiles | null = null;
  let last: { readonly source: Source; readonly matrix: LayerMatrix } | null = null;
  let classifier: LoadedRuntime | null = null;
  let training: Training | null = null;
  let loading: Promise<Training> | null = null;
  let pruning: Promise<unknown> = Promise.resolve();
  const opened = (): GivenCheckpoint =>
    given ?? refuseInput("files", "a checkpoint that is open", "none");
  const loaded = (): LoadedRuntime =>
    classifier ?? refuseInput("files", "a model that is loaded", "none");
  const made = (): PrunedFiles =>
    pruned ?? refuseInput("files", "a checkpoint that is pruned", "none");
  const trainer = (): Promise<Training> => {
    // The code of training is loaded when it is asked for.
    loading ??= import("./training.ts").then(({ createTraining }) => {
      training = createTraining();
      return training;
    });
    return loading;
  };
  const sourceOf = (source: Source): GivenCheckpoint => {
    switch (source) {
      case "given":
        return opened();
      case "pruned":
        return made().checkpoint;
      case "trained":
        return training?.weights() ?? refuseInput("files", "a model that is trained", "none");
      default:
        return source satisfies never;
    }
  };
  const matrixOf = ({ source, tensor, layer }: LayerPlace): LayerMatrix => {
    const { tensor: name, layer: own } = last?.matrix ?? {};
    if (last?.source === source && name === tensor && own === layer) return last.matrix;
    // Free the previous matrix before reading the next.
    last = null;
    const matrix = readMatrix(sourceOf(source), tensor, layer);
    last = { source, matrix };
    return matrix;
  };
  const replacePruned = async (next: PrunedFiles | null): Promise<void> => {
    const old = pruned;
    pruned = next;
    if (last?.source === "pruned") last = null;
    await old?.scratch.remove();
  };
  return {
    open: async (files) => {
      [given, last] = [null, null];
      await replacePruned(null);
      given = await openGiven(files);
      return describe(given);
    },
    example: async () => exampleFiles(),
    inspect: async (_, run) => inspect(opened(), run),
    verify: async (request, run) => verify(opened(), request, run),
    prune: async (request, run) => {
      // The kernels have one memory, so a run that is being cancelled has to end first.
      const before = pruning;
      const own = before.then(async () => {
        run.signal.throwIfAborted();
        const next = await prune(opened(), request, run);
        await replacePruned(next);
        return next.report;
      });
      pruning = own.catch(() => {});
      return own;
    },
    prunedFiles: async ({ isPacked }, run) => (isPacked ? pack(made(), run) : made().files),
    load: async ({ files, variant }) => {
      const { loadRuntime } = await import("./classifying.ts");
      classifier?.dispose();
      classifier = null;
      classifier = await loadRuntime(files, variant);
      return classifier.facts;
    },
    classify: async (texts, run) => loaded().classify(texts, run),
    compareDense: async (texts, run) => loaded().compareDense(texts, run),
    ...trainingTasks(trainer, () => {
      if (last?.source === "trained") last = null;
    }),
    compare: async ({ vector, file }) => {
      const { compareWithVector } = await import("./comparing.ts");
      return compareWithVector(vector, file);
    },
    recorded: async (vector) => {
      const { recordedValues } = await import("./comparing.ts");
      return { computed: await recordedValues(vector) };
    },
    distribution: async (place) => distributionOf(matrixOf(place)),
    picture: async (request) => pictureOf(matrixOf(request), request),
  };
}
