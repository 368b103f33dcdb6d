/** Prunes a model in one step without fine-tuning, as the baseline for a sparse phase. */
import { headHooks } from "../heads/hooks.ts";
import { initialiseHeadPruning } from "../heads/initialise.ts";
import type { AttentionLayer } from "../heads/state.ts";
import type { Backend } from "../kernels/backend.ts";
import { onStepBegin } from "../prune/hooks.ts";
import { initialisePruning } from "../prune/initialise.ts";
import { type LayerRecord, PruningError } from "../prune/layer.ts";
import { dueAtOnce } from "../prune/once.ts";
import { parsePruningConfigOrThrow } from "../prune/parse.ts";
import type { PruningState } from "../prune/state.ts";
import { evaluate, type RowSource } from "../train/evaluation.ts";
import { headsAsBlocks } from "../train/head-pruning.ts";
import { prunersByKind } from "../train/pruning.ts";
import type { TrainingSettings } from "../train/settings.ts";
import { sparsityReport } from "../train/sparsity.ts";
import { type LabelledBatch, layerRecords, type TrainableModel } from "../train/trainable-model.ts";
import type { MeasuredModel } from "./events.ts";

/** The layers of a model that can be pruned. */
interface Prunable {
  readonly layers: readonly LayerRecord[];
  readonly attentions: readonly AttentionLayer[];
}

function prunable(model: TrainableModel<never>): Prunable {
  return { layers: layerRecords(model), attentions: model.attentions ?? [] };
}

/** Weights that are pruned in one step, and the state of all pruners. */
interface PrunedAtOnce {
  readonly state: PruningState;
  readonly weights: ReadonlyMap<string, Float32Array>;
}

/** Prunes layers in one step, by magnitude instead of the configured criteria. A pattern lock adds no zeros. */
function prunedAtOnce(
  { layers, attentions }: Prunable,
  { pruning, profile }: Pick<TrainingSettings, "pruning" | "profile">,
): PrunedAtOnce {
  const { pruners } = parsePruningConfigOrThrow(pruning, { profile });
  const config = {
    pruners: pruners.map((pruner) =>
      pruner.method === "pattern_lock"
        ? { ...pruner, startStep: 0, endStep: 0 }
        : dueAtOnce(pruner, "magnitude"),
    ),
  };
  const { blocks, heads } = prunersByKind(config);
  const blockState = initialisePruning(blocks, layers, { profile });
  const headStates = heads.map((one) =>
    initialiseHeadPruning(one, attentions, layers, { profile }),
  );
  // The hooks of the core refuse a state without pruners.
  const none = { state: blockState, weights: new Map<string, Float32Array>() };
  const isNone = blocks.pruners.length === 0;
  const { state, weights } = isNone ? none : onStepBegin(blockState, 0, layers);
  const changed = new Map(weights);
  const shown = headStates.map((one) => {
    const current = layers.map((layer) => ({
      ...layer,
      data: changed.get(layer.name) ?? layer.data,
    }));
    const begun = headHooks.onStepBegin(one, 0, current);
    for (const [name, data] of begun.weights) changed.set(name, data);
    return headsAsBlocks(begun.state, layers);
  });
  return { state: { ...state, pruners: [...state.pruners, ...shown] }, weights: changed };
}

/**
 * Checks that the baseline of a sparse phase can be computed for these weights, before anything is trained.
 *
 * @throws PruningError if a target cannot be reached in one step, or a layer cannot be pruned
 */
export function checkOneShot(
  model: TrainableModel<never>,
  settings: Pick<TrainingSettings, "pruning" | "profile">,
): void {
  if (settings.pruning === null) return;
  try {
    prunedAtOnce(prunable(model), settings);
  } catch (error) {
    if (!(error instanceof PruningError)) throw error;
    const { code, problem, layer } = error;
    throw new PruningError(code, { ...problem, path: `one-shot baseline: ${problem.path}` }, layer);
  }
}

/**
 * Prunes a model in place in one step, by magnitude instead of the configured criteria, and evaluates it. Returns null
 * if that is impossible for the weights that the dense phase has made.
 */
export function pruneAtOnceInto<Row, Batch extends LabelledBatch>(
  backend: Backend,
  model: TrainableModel<Batch>,
  settings: Pick<TrainingSettings, "pruning" | "profile">,
  source: RowSource<Row, Batch>,
): MeasuredModel | null {
  const layers = layerRecords(model);
  try {
    const { state, weights } = prunedAtOnce(prunable(model), settings);
    for (const { name, data } of layers) {
      const pruned = weights.get(name);
      if (pruned !== undefined) data.set(pruned);
    }
    const sparsity = sparsityReport(state, layerRecords(model));
    return { evaluation: evaluate(backend, model, source), sparsity };
  } catch (error) {
    if (error instanceof PruningError) return null;
    throw error;
  }
}
