/** The interface of a model for training: parameters, a forward pass, and layers to prune. */

import type { Variable } from "../autograd/records.ts";
import type { Sequences } from "../autograd/sequences.ts";
import type { Tape } from "../autograd/tape.ts";
import { checkFunction, checkObject } from "../core/checks.ts";
import type { ProblemType } from "../core/problem-type.ts";
import type { AttentionLayer } from "../heads/state.ts";
import { padPositions, selectExamples, type TokenBatch } from "../model/batch.ts";
import { checkConfig } from "../model/check.ts";
import type { ModelConfig } from "../model/config.ts";
import { forward } from "../model/forward.ts";
import { type ModuleKind, moduleList } from "../model/modules.ts";
import type { Padding } from "../model/token-rows.ts";
import type { LayerKind, LayerRecord } from "../prune/layer.ts";
import { checkParameters, type Parameters, parameterNamed } from "../tensor/parameter.ts";
import { attentionLayers } from "./attention-layers.ts";

/** The output of a forward pass in training. */
export interface TrainableOutput {
  /** The logits: [batch, outputs]. */
  readonly logits: Variable;
  /** The hidden states, in the order of the layers. Distillation uses the last one. */
  readonly hiddenStates?: readonly Variable[];
  /**
   * Which rows of a hidden state belong to which example. Default: a hidden state is [examples, ..., width], with
   * equally many rows for each example.
   */
  readonly sequences?: Sequences;
  /**
   * The indices of the rows of a hidden state that are tokens, ascending, for losses that exclude padding. Default:
   * all.
   */
  readonly tokenRows?: Int32Array;
}

/** Describes which parts of a {@link TrainableOutput} the caller reads. */
export interface TrainableForwardOptions {
  /**
   * `excluded`: the caller reads nothing at padded positions. The model may then omit them from its hidden states, or
   * list the rows of the other positions in `tokenRows`. Default `included`.
   */
  readonly padding?: Padding;
  /** Whether the caller reads hidden states. Default true. */
  readonly hiddenStates?: boolean;
  /**
   * The minimum number of positions to which examples are padded, so that cached results also serve longer batches.
   * Default: none.
   */
  readonly positions?: number;
}

/**
 * A batch with labels: classes as Int32Array; values for regression, or one number from 0 to 1 for each label of
 * multi-label classification, as Float32Array [batch, outputs].
 */
export interface LabelledBatch {
  readonly labels: Int32Array | Float32Array;
}

/** A module that pruning may select. Its weight is the parameter `<name>.weight`, if there is one. */
type ModelLayer = Pick<LayerRecord, "name" | "kind">;

/** A trainable model: {@link sequenceClassifier}, or a custom model that uses the operations of `espalier/nn`. */
export interface TrainableModel<Batch extends LabelledBatch> {
  readonly parameters: Parameters;
  /** What the outputs mean, and thus the loss. Default: the labels decide, as in transformers. */
  readonly problemType?: ProblemType | null;
  /**
   * The layers in module order. Pruning treats the last linear layer as the head. Default: a layer for each parameter
   * `<name>.weight` in order, linear if it has two dimensions, a convolution if it has three or four.
   */
  readonly layers?: readonly ModelLayer[];
  /** The attention layers, for pruning of whole heads. Default: none, so heads cannot be pruned. */
  readonly attentions?: readonly AttentionLayer[];
  forward(tape: Tape, batch: Batch, options?: TrainableForwardOptions): TrainableOutput;
  /**
   * Runs `forward` only on the examples of the batch with these indices. A teacher without this method always computes
   * the whole batch.
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

/** Returns the layers of a model; if it lists none, the default that {@link TrainableModel.layers} describes. */
function modelLayers(
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

/** Checks that a value has the form of a model. */
export function checkModel(name: string, model: TrainableModel<never>): void {
  checkObject(name, model, "parameters", "forward");
  checkParameters(model.parameters);
  checkFunction(`${name}.forward`, model.forward);
}

/**
 * Returns the layers of a model as pruning records, in module order. Weights and gradients are views of the backend's
 * memory: get them again after anything that may allocate memory.
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

export const KIND_OF_MODULE: Readonly<Record<ModuleKind, LayerKind>> = Object.freeze({
  linear: "linear",
  embedding: "embedding",
  layerNorm: "other",
});

/**
 * Makes a trainable model from a sequence classifier.
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
  checkConfig(config);
  checkParameters(parameters);
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
    problemType: config.problemType,
    layers: moduleList(config).map(({ name, kind }) => ({ name, kind: KIND_OF_MODULE[kind] })),
    attentions: attentionLayers(config),
    forward: run,
    forwardExamples: (tape, batch, examples, options = {}) => {
      const positions = Math.min(options.positions ?? 0, config.maxPositions);
      const part = selectExamples(batch, examples);
      return run(tape, padPositions(part, positions, config.padTokenId), options);
    },
  };
}

/** Returns the indices of the positions in a padded batch that the attention mask does not hide. */
function visibleRows({ attentionMask }: TokenBatch): Int32Array {
  return Int32Array.from(attentionMask.keys()).filter((row) => attentionMask[row] === 1);
}
