/** The layers of a classifier for inference, each with its execution. */
import type { LinearProduct, TableLookup } from "../autograd/records.ts";
import { createTape, input, releaseTape } from "../autograd/tape.ts";
import { checkObject } from "../core/checks.ts";
import type { Backend } from "../kernels/backend.ts";
import { MOST_INT8_INPUTS } from "../kernels/int8.ts";
import { activate } from "../model/activations.ts";
import type { LayerNames } from "../model/architecture.ts";
import type { ModelConfig } from "../model/config.ts";
import { modelNames } from "../model/names.ts";
import { type NamedValues, parameterList } from "../model/parameters.ts";
import { createFrozenParameter, type Parameter } from "../tensor/parameter.ts";
import { formatShape, type Shape } from "../tensor/shape.ts";
import type { SparseClassifierOptions } from "./classifier-arguments.ts";
import { type CostModel, chooseExecution, predictCost } from "./cost-model.ts";
import {
  type Execution,
  type FloatExecution,
  formatExecution,
  type LinearFacts,
  linearFacts,
  type Prepared,
  prepareProduct,
} from "./execution.ts";
import { compactFeedForward } from "./feed-forward.ts";
import { type Int8Matrix, unpackInt8 } from "./int8.ts";
import { compactInt8FeedForward } from "./int8-feed-forward.ts";
import { type Int8Activations, prepareInt8Product, prepareInt8Table } from "./int8-product.ts";

export interface ClassifierLayer {
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
export interface ClassifierFeedForward {
  readonly name: string;
  readonly units: number;
  readonly kept: number;
  /** The number of units whose input weights are all zero, so that they only add a constant. */
  readonly constant: number;
}

/** The values of a parameter, and their form in eight bits if they are stored so. */
export interface StoredValues extends NamedValues {
  /** The values as floats. If `int8` is given, a getter can delay their conversion. */
  readonly data: Float32Array;
  readonly int8?: Int8Matrix | undefined;
}

/** Reads a parameter of the model; `name` is its name in transformers. */
export type ReadParameter = (name: string) => StoredValues;

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

export interface Building extends Required<Omit<SparseClassifierOptions, "costs">> {
  /** Returns the cost model; the first call may measure it. */
  readonly costs: () => CostModel;
  readonly backend: Backend;
  readonly config: ModelConfig;
  readonly read: ReadParameter;
  readonly parameters: Map<string, Parameter>;
  readonly products: Map<Parameter, LinearProduct>;
  readonly lookups: Map<Parameter, TableLookup>;
  readonly activations: Int8Activations;
  readonly prepared: Prepared[];
  readonly layers: ClassifierLayer[];
  readonly feedForwards: ClassifierFeedForward[];
}

function executionOf(
  { costs, tokens, executions }: Building,
  name: string,
  facts: LinearFacts,
): FloatExecution {
  if (executions === "dense") return { kind: "dense" };
  const asked = executions instanceof Map ? executions.get(name) : undefined;
  const execution = asked ?? chooseExecution(costs(), facts, tokens);
  if (execution.kind === "int8") {
    const expected = `floats for ${name}, which is not stored in eight bits`;
    throw new RangeError(`executions: expected ${expected}, got ${formatExecution(execution)}`);
  }
  if (execution.kind !== "blocks" || facts.blocks.has(execution.height)) return execution;
  const expected = `a height that divides the ${facts.outputs} outputs of ${name}`;
  throw new RangeError(`executions: expected ${expected}, got ${formatExecution(execution)}`);
}

/** Whether the execution of a layer is chosen by its costs. */
export function choosesExecutions(
  config: ModelConfig,
  executions: Building["executions"],
): boolean {
  if (executions === "dense") return false;
  return !(executions instanceof Map) || linearNames(config).some((name) => !executions.has(name));
}

/** Returns the stored form in eight bits of a weight that is computed with bytes. */
export function int8Of(
  { executions }: Pick<Building, "executions">,
  values: StoredValues | undefined,
  layer?: string,
): Int8Matrix | undefined {
  const asked = executions instanceof Map ? executions.get(layer ?? "")?.kind : executions;
  if (asked !== "auto" && asked !== "int8") return undefined;
  const matrix = values?.int8;
  return matrix !== undefined && matrix.shape[1] <= MOST_INT8_INPUTS ? matrix : undefined;
}

/** The products of a layer that have the same input, if any, by the name of the module. */
function groupOf(config: ModelConfig, name: string): string | null {
  const layer = modelNames(config).layers.find(({ query, key, value }) =>
    [query, key, value].includes(name),
  );
  return layer?.query ?? null;
}

/** Adds a layer that is computed with bytes. */
function addInt8Layer(building: Building, name: string, matrix: Int8Matrix): void {
  const { backend, config, costs, tokens, products, prepared, layers } = building;
  const execution: Execution = { kind: "int8", block: matrix.block };
  const one = prepareInt8Product(backend, matrix, building.activations, groupOf(config, name));
  prepared.push(one);
  products.set(addUnread(building, `${name}.weight`, matrix.shape), one.product);
  let facts: LinearFacts | undefined;
  layers.push({
    name,
    execution,
    bytes: one.bytes,
    get facts() {
      facts ??= linearFacts(unpackInt8(matrix), matrix.shape);
      return facts;
    },
    get denseMicroseconds() {
      return predictCost(costs(), this.facts, { kind: "dense" }, tokens) / 1000;
    },
    get microseconds() {
      return predictCost(costs(), this.facts, execution, tokens) / 1000;
    },
  });
}

/** Adds a parameter whose floats are never read. */
function addUnread({ backend, parameters }: Building, name: string, shape: Shape): Parameter {
  const parameter = createFrozenParameter(backend, name, shape, null);
  parameters.set(name, parameter);
  return parameter;
}

export function linearNames(config: ModelConfig): readonly string[] {
  return parameterList(config).flatMap(({ module }) =>
    module.kind === "linear" ? module.name : [],
  );
}

/** Adds the weight of a linear layer to the classifier, in the form that the layer's execution uses. */
function addLayer(building: Building, name: string, values: StoredValues): void {
  const { backend, costs, tokens, parameters, products, prepared, layers } = building;
  const [outputs = 0, inputs = 0] = values.shape;
  const shape = [outputs, inputs] as const;
  const int8 = int8Of(building, values, name);
  if (int8 !== undefined) {
    addInt8Layer(building, name, int8);
    return;
  }
  // The first choice of an execution may measure costs, which may grow the memory.
  const { data } = heldApart(backend, values);
  const facts = linearFacts(data, shape);
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
    parameters.set(weight, createFrozenParameter(backend, weight, values.shape, data));
    layers.push(Object.assign(planned, { bytes: data.byteLength }));
    return;
  }
  const product = prepareProduct(backend, data, shape, execution);
  prepared.push(product);
  products.set(addUnread(building, weight, values.shape), product.product);
  layers.push(Object.assign(planned, { bytes: product.bytes }));
}

/** Copies a view of the backend's memory, which is invalid after a reservation that grows the memory. */
function heldApart({ memory }: Backend, { shape, data }: NamedValues): NamedValues {
  return { shape, data: memory.holds(data) ? data.slice() : data };
}

interface CompactedLayer {
  readonly parameters: ReadonlyMap<string, StoredValues>;
  readonly plan: ClassifierFeedForward;
}

/** Computes the activation function of a model. */
function activated({ backend, config }: Building, values: Float32Array): Float32Array {
  const tape = createTape(backend, { training: false });
  try {
    const x = input(tape, [values.length], values);
    return activate(tape, config.activation, x).value.data.slice();
  } finally {
    releaseTape(tape);
  }
}

/** Removes hidden units from a feed-forward sub-layer that is computed with bytes. */
function compactInt8Layer(
  building: Building,
  { intermediate, output }: Pick<LayerNames, "intermediate" | "output">,
  { expand, contract }: { readonly expand: Int8Matrix; readonly contract: Int8Matrix },
  read: ReadParameter,
): CompactedLayer {
  const [expandBias, contractBias] = [intermediate, output].map((name) =>
    read(`${name}.bias`).data.slice(),
  );
  const compacted = compactInt8FeedForward({ expand, expandBias, contract, contractBias }, (bias) =>
    activated(building, bias),
  );
  const weight = (int8: Int8Matrix): StoredValues => ({
    shape: int8.shape,
    int8,
    get data() {
      return unpackInt8(int8);
    },
  });
  const vector = (data: Float32Array): NamedValues => ({ shape: [data.length], data });
  return {
    parameters: new Map([
      [`${intermediate}.weight`, weight(compacted.expand)],
      [`${intermediate}.bias`, vector(compacted.expandBias)],
      [`${output}.weight`, weight(compacted.contract)],
      [`${output}.bias`, vector(compacted.contractBias)],
    ]),
    plan: {
      name: intermediate,
      units: expand.shape[0],
      kept: compacted.expand.shape[0],
      constant: 0,
    },
  };
}

/** Removes hidden units from a feed-forward sub-layer, unless its executions are given or differ. */
function compact(
  building: Building,
  names: Pick<LayerNames, "intermediate" | "output">,
  read: ReadParameter,
): CompactedLayer | undefined {
  const { backend, executions, costs, tokens } = building;
  if (executions !== "auto" && executions !== "floats") return undefined;
  const [expand, contract] = [names.intermediate, names.output].map((name) =>
    int8Of(building, read(`${name}.weight`)),
  );
  if (expand !== undefined && contract !== undefined)
    return compactInt8Layer(building, names, { expand, contract }, read);
  if (expand !== undefined || contract !== undefined) return undefined;
  const { parameters, plan } = compactLayer(names, read, costs, tokens);
  const held = new Map<string, NamedValues>();
  for (const [name, values] of parameters) held.set(name, heldApart(backend, values));
  return { parameters: held, plan };
}

/**
 * Reads every parameter once, in module order, and adds it to the classifier. Returns the total size of all parameters
 * in bytes.
 */
export function build(building: Building): number {
  const { backend, config, prepared, parameters, feedForwards } = building;
  const list = parameterList(config);
  const shapes = new Map(list.map(({ name, shape }) => [name, shape]));
  const readChecked: ReadParameter = (name) => {
    const values = building.read(name);
    // The check reads every property, but floats beside bytes may be computed when they are read.
    if (values?.int8 === undefined)
      checkObject(`read(${JSON.stringify(name)})`, values, "shape", "data");
    const [expected, got] = [formatShape(shapes.get(name) ?? []), formatShape(values.shape)];
    if (got !== expected) throw new RangeError(`${name}: expected ${expected}, got ${got}`);
    return values;
  };
  const expanding = new Map(
    modelNames(config).layers.map((layer) => [`${layer.intermediate}.weight`, layer]),
  );
  /** Parameters of a feed-forward sub-layer that were read together, before they are added. */
  const early = new Map<string, StoredValues>();
  let others = 0;
  for (const { name, module, role } of list) {
    const layer = expanding.get(name);
    const compacted = layer === undefined ? layer : compact(building, layer, readChecked);
    if (compacted !== undefined) {
      for (const [part, values] of compacted.parameters) early.set(part, values);
      const { kept, units, constant } = compacted.plan;
      if (kept < units || constant > 0) feedForwards.push(compacted.plan);
    }
    const values = early.get(name) ?? readChecked(name);
    early.delete(name);
    if (role === "weight" && module.kind === "linear") {
      addLayer(building, module.name, values);
      continue;
    }
    const int8 = module.kind === "embedding" ? int8Of(building, values) : undefined;
    if (int8?.block === null) {
      const table = prepareInt8Table(backend, int8);
      prepared.push(table);
      building.lookups.set(addUnread(building, name, values.shape), table.lookup);
      others += table.bytes;
      continue;
    }
    parameters.set(name, createFrozenParameter(backend, name, values.shape, values.data));
    others += values.data.byteLength;
  }
  return building.layers.reduce((sum, { bytes }) => sum + bytes, others);
}
