/** A classifier for inference. The execution is chosen separately for each linear layer. */

import { createTape, releaseTape } from "../autograd/tape.ts";
import { checkFunction } from "../core/checks.ts";
import type { Backend } from "../kernels/backend.ts";
import type { TokenBatch } from "../model/batch.ts";
import type { ModelConfig } from "../model/config.ts";
import { forward } from "../model/forward.ts";
import { releaseParameters } from "../tensor/parameter.ts";
import { checkClassifierArguments, type SparseClassifierOptions } from "./classifier-arguments.ts";
import {
  type Building,
  type ClassifierFeedForward,
  type ClassifierLayer,
  int8Of,
  type ReadParameter,
  type StoredValues,
} from "./classifier-building.ts";
import { build, choosesExecutions, linearNames } from "./classifier-layers.ts";
import { type CostModel, costsWhenNeeded } from "./cost-model.ts";
import { int8Activations } from "./int8-product.ts";
import { typicalCosts } from "./typical-costs.ts";

export type { SparseClassifierOptions, StoredValues };

/** A classifier for inference. {@link SparseClassifier.release} frees its memory. */
export interface SparseClassifier {
  readonly config: ModelConfig;
  /** The cost model. If no choice needed it, it is measured when it is first read, like the predicted times. */
  readonly costs: CostModel;
  readonly layers: readonly ClassifierLayer[];
  readonly feedForwards: readonly ClassifierFeedForward[];
  /** The total size of all parameters in memory, in bytes. */
  readonly bytes: number;
  /**
   * Computes the logits [batch, labels].
   *
   * @throws TypeError or RangeError if the batch is not valid input for the model, or if the classifier was released
   */
  logits(batch: TokenBatch): Float32Array;
  release(): void;
}

/** Begins a classifier. Measures costs if they are needed. */
function startBuilding(
  backend: Backend,
  config: ModelConfig,
  read: ReadParameter,
  costs: () => CostModel,
  options: SparseClassifierOptions,
): Building {
  const { tokens = 128, executions = "auto" } = options;
  // Measured before parameters are read, because it may grow the memory of which they are views. Not measured if the
  // first layer has bytes: then all layers usually have, and need no costs.
  const [first] = linearNames(config);
  const hasBytes =
    executions === "auto" && int8Of({ executions }, read(`${first}.weight`)) !== undefined;
  if (choosesExecutions(config, executions) && !hasBytes) costs();
  // Layers that are too small for bytes take their execution from typical costs, which need no measurement.
  const isTypical = hasBytes && options.costs === undefined;
  return {
    backend,
    config,
    read,
    tokens,
    executions,
    costs: isTypical ? () => typicalCosts(backend.kernels.variant) : costs,
    parameters: new Map(),
    products: new Map(),
    lookups: new Map(),
    activations: int8Activations(backend),
    prepared: [],
    layers: [],
    feedForwards: [],
  };
}

/**
 * Creates a classifier from parameters that are read one at a time. Each linear layer is stored in one form only.
 *
 * @throws TypeError or RangeError for an invalid option, RangeError for a parameter of the wrong shape or an execution
 *   that its layer does not support; any error that `read` throws
 *
 * @example
 * ```ts
 * import { createBackend, createTape, forward, initialiseParameters } from "espalier/nn";
 * import { parseModelConfigOrThrow, releaseTape } from "espalier/nn";
 * import { createSparseClassifier, formatExecution } from "espalier/sparse";
 *
 * const backend = createBackend();
 * const config = parseModelConfigOrThrow({ model_type: "bert", vocab_size: 20, hidden_size: 8,
 *   num_hidden_layers: 1, num_attention_heads: 2, intermediate_size: 16 });
 * const parameters = initialiseParameters(backend, config, 1);
 * const batch = { batch: 1, positions: 3, inputIds: Int32Array.of(2, 5, 3),
 *   tokenTypeIds: new Int32Array(3), attentionMask: Uint8Array.of(1, 1, 1) };
 * const tape = createTape(backend, { training: false });
 * const expected = forward(tape, config, parameters, batch).logits.value.data.slice();
 * releaseTape(tape);
 *
 * const classifier = createSparseClassifier(backend, config, (name) => {
 *   const value = parameters.get(name)?.value;
 *   if (value === undefined) throw new Error(name);
 *   return { shape: value.shape, data: value.data };
 * });
 * const logits = classifier.logits(batch);
 * console.assert(logits.every((logit, i) => Math.abs(logit - (expected[i] ?? 0)) < 1e-5));
 * for (const { name, execution } of classifier.layers) console.log(name, formatExecution(execution));
 * classifier.release();
 * ```
 */
export function createSparseClassifier(
  backend: Backend,
  config: ModelConfig,
  read: ReadParameter,
  options: SparseClassifierOptions = {},
): SparseClassifier {
  checkFunction("read", read);
  checkClassifierArguments(backend, config, options);
  const costs = costsWhenNeeded(backend, options.tokens ?? 128, options.costs);
  return classifierWith(backend, config, read, costs, options);
}

/** Like {@link createSparseClassifier}, with checked arguments and without the code that measures costs. */
export function classifierWith(
  backend: Backend,
  config: ModelConfig,
  read: ReadParameter,
  costs: () => CostModel,
  options: SparseClassifierOptions,
): SparseClassifier {
  const building = startBuilding(backend, config, read, costs, options);
  const { parameters, products, lookups, activations, prepared, layers, feedForwards } = building;
  const release = (): void => {
    releaseParameters(parameters);
    for (const one of prepared) one.release();
    parameters.clear();
    prepared.length = 0;
  };
  let bytes = 0;
  try {
    bytes = build(building);
  } catch (error) {
    release();
    throw error;
  }
  const logits: SparseClassifier["logits"] = (batch) => {
    if (parameters.size === 0)
      throw new RangeError("classifier: expected one in use, got a released one");
    const forms = { linearProducts: products, tableLookups: lookups };
    const tape = createTape(backend, { training: false, ...forms });
    try {
      const options = { padding: "excluded", outputLastHiddenState: false } as const;
      const { logits } = forward(tape, config, parameters, batch, options);
      return logits.value.data.slice();
    } finally {
      releaseTape(tape);
      activations.clear();
    }
  };
  return {
    config,
    get costs() {
      return building.costs();
    },
    ...{ layers, feedForwards, bytes, logits, release },
  };
}
