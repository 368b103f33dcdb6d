/** The feed-forward sub-layers of a classifier for inference, without hidden units that need no computation. */
import { createTape, input, releaseTape } from "../autograd/tape.ts";
import { activate } from "../model/activations.ts";
import type { LayerNames } from "../model/architecture.ts";
import type { NamedValues } from "../model/parameters.ts";
import {
  type Building,
  type ClassifierFeedForward,
  heldApart,
  int8Of,
  type ReadParameter,
  type StoredValues,
} from "./classifier-building.ts";
import { type CostModel, chooseExecution, predictCost } from "./cost-model.ts";
import { linearFacts } from "./execution.ts";
import { compactFeedForward } from "./feed-forward.ts";
import { type Int8Matrix, unpackInt8 } from "./int8.ts";
import { compactInt8FeedForward } from "./int8-feed-forward.ts";

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
export function compact(
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
