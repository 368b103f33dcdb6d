/** What training needs of a model: parameters, a forward pass, and which weights can be pruned. */
import type { Variable } from "../autograd/records.ts";
import type { Sequences } from "../autograd/sequences.ts";
import type { Tape } from "../autograd/tape.ts";
import { padPositions, selectExamples, type TokenBatch } from "../model/batch.ts";
import type { ModelConfig } from "../model/config.ts";
import { forward } from "../model/forward.ts";
import { type ModuleKind, moduleList } from "../model/modules.ts";
import type { Padding } from "../model/token-rows.ts";
import type { LayerKind, LayerRecord } from "../prune/layer.ts";
import { type Parameters, parameterNamed } from "../tensor/parameter.ts";

/** What a forward pass gives to training. */
export interface TrainableOutput {
  /** [batch, classes]; [batch, 1] for regression. */
  readonly logits: Variable;
  /** Hidden states, of which distillation takes the last; may be left out where that is not used. */
  readonly hiddenStates?: readonly Variable[];
  /** The rows of a hidden state that each example has. Default: equally many, [examples, ..., width]. */
  readonly sequences?: Sequences;
  /**
   * The rows of a hidden state that are tokens, in order, for losses that leave padding out. Default: all.
   */
  readonly tokenRows?: Int32Array;
}

/** What a caller will read of a {@link TrainableOutput}. */
export interface TrainableForwardOptions {
  /**
   * `excluded`: nothing at padded positions. A model may then leave them out of its hidden states, or say by
   * `tokenRows` which rows are none. Default `included`.
   */
  readonly padding?: Padding;
  /** False: no hidden states, so that a model may leave them out of what it computes. Default true. */
  readonly hiddenStates?: boolean;
  /**
   * At least so many positions for each example, as in a batch that is padded further, where the model can do that:
   * results for longer batches can then be kept. Default: those of the batch.
   */
  readonly positions?: number;
}

/** A batch carries its labels: classes as Int32Array, or values to regress on as Float32Array. */
export interface LabelledBatch {
  readonly labels: Int32Array | Float32Array;
}

/** A module as pruning sees it: its weight is the parameter `<name>.weight`, if there is one. */
export interface ModelLayer {
  readonly name: string;
  readonly kind: LayerKind;
}

/**
 * A model that can be trained: a transformer of this package ({@link sequenceClassifier}) or a
 * program's own, written with autograd's operations.
 */
export interface TrainableModel<Batch extends LabelledBatch> {
  readonly parameters: Parameters;
  /**
   * Modules in the order in which they are registered; pruning follows it, and takes the last linear
   * one for the head. Default: every `<name>.weight` with two extents as a linear layer, with three or
   * four as a convolution, in the order of the parameters.
   */
  readonly layers?: readonly ModelLayer[];
  forward(tape: Tape, batch: Batch, options?: TrainableForwardOptions): TrainableOutput;
  /**
   * As `forward`, of some examples of the batch alone, padded as the whole is. A teacher that has it computes
   * only what its cache lacks; one that has not computes whole batches.
   */
  forwardExamples?(
    tape: Tape,
    batch: Batch,
    examples: readonly number[],
    options?: TrainableForwardOptions,
  ): TrainableOutput;
}

const KIND_BY_RANK: ReadonlyMap<number, LayerKind> = new Map([
  [2, "linear"],
  [3, "conv1d"],
  [4, "conv2d"],
]);

/** The modules of a model, in order; see {@link TrainableModel.layers} for the default. */
export function modelLayers(
  model: Pick<TrainableModel<never>, "parameters" | "layers">,
): readonly ModelLayer[] {
  if (model.layers !== undefined) return model.layers;
  const layers: ModelLayer[] = [];
  for (const { name, value } of model.parameters.values()) {
    const kind = KIND_BY_RANK.get(value.shape.length);
    if (kind !== undefined && name.endsWith(".weight")) {
      layers.push({ name: name.slice(0, -".weight".length), kind });
    }
  }
  return layers;
}

/**
 * The model's layers as records for pruning, in module order. Weights and gradients are views of the
 * backend's memory: take them again after anything that may allocate.
 */
export function layerRecords(
  model: Pick<TrainableModel<never>, "parameters" | "layers">,
): readonly LayerRecord[] {
  return modelLayers(model).map(({ name, kind }) => {
    if (!model.parameters.has(`${name}.weight`)) {
      return { name, kind, shape: [], data: new Float32Array(0) };
    }
    const { value, gradient } = parameterNamed(model.parameters, `${name}.weight`);
    return { name, kind, shape: value.shape, data: value.data, gradient: gradient.data };
  });
}

const KIND_OF_MODULE: Readonly<Record<ModuleKind, LayerKind>> = Object.freeze({
  linear: "linear",
  embedding: "embedding",
  layerNorm: "other",
});

/**
 * BERT's or DistilBERT's sequence classifier as a model to train.
 *
 * @example
 * ```ts
 * import { createBackend, initialiseParameters, parseModelConfigOrThrow } from "espalier/nn";
 * import { sequenceClassifier } from "espalier/nn";
 *
 * const backend = createBackend({ variant: "scalar" });
 * const config = parseModelConfigOrThrow({ model_type: "bert", vocab_size: 20, hidden_size: 8,
 *   num_hidden_layers: 1, num_attention_heads: 2, intermediate_size: 16 });
 * const model = sequenceClassifier(config, initialiseParameters(backend, config, 1));
 * console.assert(model.layers?.at(-1)?.name === "classifier");
 * ```
 */
export function sequenceClassifier(
  config: ModelConfig,
  parameters: Parameters,
): TrainableModel<TokenBatch & LabelledBatch> {
  const run: TrainableModel<TokenBatch & LabelledBatch>["forward"] = (
    tape,
    batch,
    { padding = "included", hiddenStates = true } = {},
  ) => {
    const options = { padding, outputLastHiddenState: hiddenStates };
    const output = forward(tape, config, parameters, batch, options);
    return padding === output.padding ? output : { ...output, tokenRows: visibleRows(batch) };
  };
  return {
    parameters,
    layers: moduleList(config).map(({ name, kind }) => ({ name, kind: KIND_OF_MODULE[kind] })),
    forward: run,
    forwardExamples: (tape, batch, examples, options = {}) => {
      const positions = Math.min(options.positions ?? 0, config.maxPositions);
      const part = selectExamples(batch, examples);
      return run(tape, padPositions(part, positions, config.padTokenId), options);
    },
  };
}

/** The rows of a padded batch that may be attended to. */
function visibleRows({ attentionMask }: TokenBatch): Int32Array {
  return Int32Array.from(attentionMask.keys()).filter((row) => attentionMask[row] === 1);
}
