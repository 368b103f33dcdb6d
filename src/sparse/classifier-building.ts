/** What a classifier for inference is built from, and its parts. */
import type { LinearProduct, TableLookup } from "../autograd/records.ts";
import type { Backend } from "../kernels/backend.ts";
import { MOST_INT8_INPUTS } from "../kernels/int8.ts";
import type { ModelConfig } from "../model/config.ts";
import type { NamedValues } from "../model/parameters.ts";
import type { Parameter } from "../tensor/parameter.ts";
import type { SparseClassifierOptions } from "./classifier-arguments.ts";
import type { CostModel } from "./cost-model.ts";
import type { Execution, LinearFacts, Prepared } from "./execution.ts";
import type { Int8Matrix } from "./int8.ts";
import type { Int8Activations } from "./int8-product.ts";

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
  /**
   * The number of kept units whose input weights are all zero, so that they only add a constant. They are not counted, and
   * this is 0, if the layer is computed with bytes.
   */
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

/** Copies a view of the backend's memory, which is invalid after a reservation that grows the memory. */
export function heldApart({ memory }: Backend, { shape, data }: NamedValues): NamedValues {
  return { shape, data: memory.holds(data) ? data.slice() : data };
}
