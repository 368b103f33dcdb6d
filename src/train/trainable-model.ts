/** A model as training sees it: parameters, a forward pass, and layers to prune. */
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

/** The output of a forward pass in training. */
export interface TrainableOutput {
  /** [batch, classes]; [batch, 1] for regression. */
  readonly logits: Variable;
  /** Hidden states; distillation uses the last one. */
  readonly hiddenStates?: readonly Variable[];
  /** The rows of each example in a hidden state. Default: equally many, [examples, ..., width]. */
  readonly sequences?: Sequences;
  /** The rows of a hidden state that are tokens, in order, for losses that exclude padding. Default: all. */
  readonly tokenRows?: Int32Array;
}

/** The parts of a {@link TrainableOutput} that the caller reads. */
export interface TrainableForwardOptions {
  /**
   * `excluded`: nothing at padded positions. A model may leave them out of its hidden states, or list the others in
   * `tokenRows`. Default `included`.
   */
  readonly padding?: Padding;
  /** False: no hidden states. Default true. */
  readonly hiddenStates?: boolean;
  /** The least number of positions to pad to, so that results can be cached for longer batches. Default: none. */
  readonly positions?: number;
}

/** A batch with labels: classes as Int32Array, or values for regression as Float32Array. */
export interface LabelledBatch {
  readonly labels: Int32Array | Float32Array;
}

/** A module as pruning sees it. Its weight is the parameter `<name>.weight`, if there is one. */
type ModelLayer = Pick<LayerRecord, "name" | "kind">;

/** A model that can be trained: {@link sequenceClassifier}, or one written with the operations of this entry. */
export interface TrainableModel<Batch extends LabelledBatch> {
  readonly parameters: Parameters;
  /**
   * Modules in module order; pruning takes the last linear one for the head. Default: every `<name>.weight` of two
   * extents as a linear layer, of three or four as a convolution, in the order of the parameters.
   */
  readonly layers?: readonly ModelLayer[];
  forward(tape: Tape, batch: Batch, options?: TrainableForwardOptions): TrainableOutput;
  /** `forward` of some examples of the batch. With it a teacher computes only what its cache lacks. */
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

/** The modules of a model in order, with the default of {@link TrainableModel.layers}. */
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

/**
 * The layers of a model as records for pruning, in module order. Weights and gradients are views of the backend's
 * memory: get them again after anything that may allocate.
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
 * A BERT or DistilBERT sequence classifier as a trainable model.
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

/** The rows of a padded batch that are not hidden. */
function visibleRows({ attentionMask }: TokenBatch): Int32Array {
  return Int32Array.from(attentionMask.keys()).filter((row) => attentionMask[row] === 1);
}
