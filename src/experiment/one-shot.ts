/** Prunes a model in one step without fine-tuning, as the baseline for a sparse phase. */
import type { Backend } from "../kernels/backend.ts";
import { onStepBegin } from "../prune/hooks.ts";
import { initialisePruning } from "../prune/initialise.ts";
import { type LayerRecord, PruningError } from "../prune/layer.ts";
import { dueAtOnce } from "../prune/once.ts";
import { parsePruningConfigOrThrow } from "../prune/parse.ts";
import { evaluate, type RowSource } from "../train/evaluation.ts";
import type { TrainingSettings } from "../train/settings.ts";
import { sparsityReport } from "../train/sparsity.ts";
import { type LabelledBatch, layerRecords, type TrainableModel } from "../train/trainable-model.ts";
import type { MeasuredModel } from "./events.ts";

/** Prunes layers in one step, by magnitude instead of the configured criteria. A pattern lock adds no zeros. */
function prunedAtOnce(
  layers: readonly LayerRecord[],
  { pruning, profile }: Pick<TrainingSettings, "pruning" | "profile">,
): ReturnType<typeof onStepBegin> {
  const { pruners } = parsePruningConfigOrThrow(pruning, { profile });
  const config = {
    pruners: pruners.map((pruner) =>
      pruner.method === "pattern_lock"
        ? { ...pruner, startStep: 0, endStep: 0 }
        : dueAtOnce(pruner, "magnitude"),
    ),
  };
  return onStepBegin(initialisePruning(config, layers, { profile }), 0, layers);
}

/**
 * Checks that the baseline of a sparse phase can be computed for these weights, before anything is trained.
 *
 * @throws PruningError if a target cannot be reached in one step, or a layer cannot be pruned
 */
export function checkOneShot(
  layers: readonly LayerRecord[],
  settings: Pick<TrainingSettings, "pruning" | "profile">,
): void {
  if (settings.pruning === null) return;
  try {
    prunedAtOnce(layers, settings);
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
    const { state, weights } = prunedAtOnce(layers, settings);
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
