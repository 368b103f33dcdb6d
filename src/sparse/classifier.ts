/** A classifier for inference. The execution is chosen separately for each linear layer. */

import type { LinearProduct } from "../autograd/records.ts";
import { createTape, releaseTape } from "../autograd/tape.ts";
import { checkFunction, checkObject } from "../core/checks.ts";
import type { Backend } from "../kernels/backend.ts";
import type { LayerNames } from "../model/architecture.ts";
import type { TokenBatch } from "../model/batch.ts";
import type { ModelConfig } from "../model/config.ts";
import { forward } from "../model/forward.ts";
import { modelNames } from "../model/names.ts";
import { type NamedValues, parameterList } from "../model/parameters.ts";
import { createFrozenParameter, type Parameter, releaseParameters } from "../tensor/parameter.ts";
import { formatShape } from "../tensor/shape.ts";
import { checkClassifierArguments, type SparseClassifierOptions } from "./classifier-arguments.ts";
import { type CostModel, chooseExecution, costsWhenNeeded, predictCost } from "./cost-model.ts";
import {
  type Execution,
  formatExecution,
  type LinearFacts,
  linearFacts,
  type PreparedProduct,
  prepareProduct,
} from "./execution.ts";
import { compactFeedForward } from "./feed-forward.ts";

export type { SparseClassifierOptions };

interface ClassifierLayer {
  readonly name: string;
  readonly facts: LinearFacts;
  readonly execution: Execution;
  /** Predicted time of the dense product for a batch. */
  readonly denseMicroseconds: number;
  /** Predicted time of the chosen execution for a batch. */
  readonly microseconds: number;
  /** The size of the weight in memory, in bytes. */
  readonly bytes: number;
}

/** A feed-forward sub-layer from which hidden units were removed, or some of whose hidden units only add a constant. */
interface ClassifierFeedForward {
  readonly name: string;
  readonly units: number;
  readonly kept: number;
  /** The number of units whose input weights are all zero, so that they only add a constant. */
  readonly constant: number;
}

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

/** Reads a parameter of the model; `name` is its name in transformers. */
type ReadParameter = (name: string) => NamedValues;

/**
 * Removes the hidden units without effect from a feed-forward sub-layer, if this lowers its predicted cost. Removing
 * units can also raise the cost, because blocks lose their alignment.
 */
function compactLayer(
  { intermediate, output }: Pick<LayerNames, "intermediate" | "output">,
  read: ReadParameter,
  costs: () => CostModel,
  tokens: number,
): { readonly parameters: ReadonlyMap<string, NamedValues>; readonly plan: ClassifierFeedForward } {
  const expand = read(`${intermediate}.weight`);
  const contract = read(`${output}.weight`);
  const [units = 0, width = 0] = expand.shape;
  const expandBias = read(`${intermediate}.bias`);
  const compacted = compactFeedForward({
    expand: expand.data,
    expandBias: expandBias.data,
    contract: contract.data,
    hidden: units,
    width,
  });
  const { hidden: kept, constant } = compacted;
  const least = (data: Float32Array, outputs: number, inputs: number): number => {
    const facts = linearFacts(data, [outputs, inputs]);
    return predictCost(costs(), facts, chooseExecution(costs(), facts, tokens), tokens);
  };
  const costOf = (first: Float32Array, second: Float32Array, count: number): number =>
    least(first, count, width) + least(second, width, count);
  const pays =
    kept < units &&
    costOf(compacted.expand, compacted.contract, kept) < costOf(expand.data, contract.data, units);
  return {
    parameters: new Map<string, NamedValues>([
      [`${intermediate}.weight`, pays ? { shape: [kept, width], data: compacted.expand } : expand],
      [`${intermediate}.bias`, pays ? { shape: [kept], data: compacted.expandBias } : expandBias],
      [`${output}.weight`, pays ? { shape: [width, kept], data: compacted.contract } : contract],
    ]),
    plan: { name: intermediate, units, kept: pays ? kept : units, constant },
  };
}

interface Building extends Required<Omit<SparseClassifierOptions, "costs">> {
  /** Returns the cost model; the first call may measure it. */
  readonly costs: () => CostModel;
  readonly backend: Backend;
  readonly config: ModelConfig;
  readonly read: ReadParameter;
  readonly parameters: Map<string, Parameter>;
  readonly products: Map<Parameter, LinearProduct>;
  readonly prepared: PreparedProduct[];
  readonly layers: ClassifierLayer[];
  readonly feedForwards: ClassifierFeedForward[];
}

function executionOf(
  { costs, tokens, executions }: Building,
  name: string,
  facts: LinearFacts,
): Execution {
  if (executions === "dense") return { kind: "dense" };
  const asked = executions === "auto" ? undefined : executions.get(name);
  const execution = asked ?? chooseExecution(costs(), facts, tokens);
  if (execution.kind !== "blocks" || facts.blocks.has(execution.height)) return execution;
  const expected = `a height that divides the ${facts.outputs} outputs of ${name}`;
  throw new RangeError(`executions: expected ${expected}, got ${formatExecution(execution)}`);
}

/** Whether the execution of a layer is chosen by its costs. */
function choosesExecutions(config: ModelConfig, executions: Building["executions"]): boolean {
  if (executions === "dense") return false;
  return executions === "auto" || linearNames(config).some((name) => !executions.has(name));
}

function linearNames(config: ModelConfig): readonly string[] {
  return parameterList(config).flatMap(({ module }) =>
    module.kind === "linear" ? module.name : [],
  );
}

/** Adds the weight of a linear layer to the classifier, in the form that the layer's execution uses. */
function addLayer(building: Building, name: string, values: NamedValues): void {
  const { backend, costs, tokens, parameters, products, prepared, layers } = building;
  const [outputs = 0, inputs = 0] = values.shape;
  const shape = [outputs, inputs] as const;
  const facts = linearFacts(values.data, shape);
  const execution = executionOf(building, name, facts);
  const weight = `${name}.weight`;
  const planned = {
    name,
    facts,
    execution,
    get denseMicroseconds() {
      return predictCost(costs(), facts, { kind: "dense" }, tokens) / 1000;
    },
    get microseconds() {
      return predictCost(costs(), facts, execution, tokens) / 1000;
    },
  };
  if (execution.kind === "dense") {
    parameters.set(weight, createFrozenParameter(backend, weight, values.shape, values.data));
    layers.push(Object.assign(planned, { bytes: values.data.byteLength }));
    return;
  }
  const product = prepareProduct(backend, values.data, shape, execution);
  prepared.push(product);
  const parameter = createFrozenParameter(backend, weight, values.shape, null);
  parameters.set(weight, parameter);
  products.set(parameter, product.product);
  layers.push(Object.assign(planned, { bytes: product.bytes }));
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
  const { tokens = 128, executions = "auto" } = options;
  const costs = costsWhenNeeded(backend, tokens, options.costs);
  // Measured before parameters are read, because it may grow the memory of which they are views.
  if (choosesExecutions(config, executions)) costs();
  const building: Building = {
    backend,
    config,
    read,
    costs,
    tokens,
    executions,
    parameters: new Map(),
    products: new Map(),
    prepared: [],
    layers: [],
    feedForwards: [],
  };
  const { parameters, products, prepared, layers, feedForwards } = building;
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
    const tape = createTape(backend, { training: false, linearProducts: products });
    try {
      const options = { padding: "excluded", outputLastHiddenState: false } as const;
      const { logits } = forward(tape, config, parameters, batch, options);
      return logits.value.data.slice();
    } finally {
      releaseTape(tape);
    }
  };
  return {
    config,
    get costs() {
      return costs();
    },
    ...{ layers, feedForwards, bytes, logits, release },
  };
}

/** Copies a view of the backend's memory, which is invalid after a reservation that grows the memory. */
function heldApart({ memory }: Backend, { shape, data }: NamedValues): NamedValues {
  return { shape, data: memory.holds(data) ? data.slice() : data };
}

/**
 * Reads every parameter once, in module order, and adds it to the classifier. Returns the total size of all parameters
 * in bytes.
 */
function build(building: Building): number {
  const { backend, config, executions, costs, tokens, parameters, feedForwards } = building;
  const list = parameterList(config);
  const shapes = new Map(list.map(({ name, shape }) => [name, shape]));
  const readChecked: ReadParameter = (name) => {
    const values = building.read(name);
    checkObject(`read(${JSON.stringify(name)})`, values, "shape", "data");
    const [expected, got] = [formatShape(shapes.get(name) ?? []), formatShape(values.shape)];
    if (got !== expected) throw new RangeError(`${name}: expected ${expected}, got ${got}`);
    return values;
  };
  const expanding = new Map(
    modelNames(config).layers.map((layer) => [`${layer.intermediate}.weight`, layer]),
  );
  /** Parameters of a feed-forward sub-layer that were read together, before they are added. */
  const early = new Map<string, NamedValues>();
  let others = 0;
  for (const { name, module, role } of list) {
    const layer = expanding.get(name);
    if (layer !== undefined && executions === "auto") {
      const compacted = compactLayer(layer, readChecked, costs, tokens);
      for (const [part, values] of compacted.parameters)
        early.set(part, heldApart(backend, values));
      const { kept, units, constant } = compacted.plan;
      if (kept < units || constant > 0) feedForwards.push(compacted.plan);
    }
    const values = early.get(name) ?? readChecked(name);
    early.delete(name);
    if (role === "weight" && module.kind === "linear") {
      addLayer(building, module.name, values);
      continue;
    }
    parameters.set(name, createFrozenParameter(backend, name, values.shape, values.data));
    others += values.data.byteLength;
  }
  return building.layers.reduce((sum, { bytes }) => sum + bytes, others);
}
