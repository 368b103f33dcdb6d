/** The layers of a classifier for inference, each with its execution. */
import { checkObject } from "../core/checks.ts";
import type { ModelConfig } from "../model/config.ts";
import { modelNames } from "../model/names.ts";
import { parameterList } from "../model/parameters.ts";
import { createFrozenParameter, type Parameter } from "../tensor/parameter.ts";
import { formatShape, type Shape } from "../tensor/shape.ts";
import {
  type Building,
  heldApart,
  int8Of,
  type ReadParameter,
  type StoredValues,
} from "./classifier-building.ts";
import { compact } from "./classifier-feed-forward.ts";
import { chooseExecution, predictCost } from "./cost-model.ts";
import {
  type Execution,
  type FloatExecution,
  formatExecution,
  type LinearFacts,
  linearFacts,
  prepareProduct,
} from "./execution.ts";
import { type Int8Matrix, unpackInt8 } from "./int8.ts";
import { prepareInt8Product, prepareInt8Table } from "./int8-product.ts";

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
