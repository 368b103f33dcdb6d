/** Prunes a model in one step without fine-tuning, as the baseline for a sparse phase. */
import type { Backend } from "../kernels/backend.ts";
import { onStepBegin } from "../prune/hooks.ts";
import { initialisePruning } from "../prune/initialise.ts";
import { dueAtOnce } from "../prune/once.ts";
import { parsePruningConfigOrThrow } from "../prune/parse.ts";
import { evaluate, type RowSource } from "../train/evaluation.ts";
import type { TrainingSettings } from "../train/settings.ts";
import { sparsityReport } from "../train/sparsity.ts";
import { type LabelledBatch, layerRecords, type TrainableModel } from "../train/trainable-model.ts";
import type { MeasuredModel } from "./events.ts";

/** Prunes a model in place in one step, by magnitude instead of the configured criteria, and evaluates it. */
export function pruneAtOnceInto<Row, Batch extends LabelledBatch>(
  backend: Backend,
  model: TrainableModel<Batch>,
  { pruning, profile }: Pick<TrainingSettings, "pruning" | "profile">,
  source: RowSource<Row, Batch>,
): MeasuredModel {
  const { pruners } = parsePruningConfigOrThrow(pruning, { profile });
  const config = { pruners: pruners.map((pruner) => dueAtOnce(pruner, "magnitude")) };
  const layers = layerRecords(model);
  const { state, weights } = onStepBegin(initialisePruning(config, layers, { profile }), 0, layers);
  for (const { name, data } of layers) {
    const pruned = weights.get(name);
    if (pruned !== undefined) data.set(pruned);
  }
  const sparsity = sparsityReport(state, layerRecords(model));
  return { evaluation: evaluate(backend, model, source), sparsity };
}
