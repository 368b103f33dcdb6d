/** Records the inputs of linear layers while a model computes rows. */
import type { LinearProduct } from "../autograd/records.ts";
import { createTape, releaseTape } from "../autograd/tape.ts";
import type { Backend } from "../kernels/backend.ts";
import type { ModelConfig } from "../model/config.ts";
import { forward } from "../model/forward.ts";
import { type NamedValues, parameterList } from "../model/parameters.ts";
import type { InputRange } from "../onnx/weights.ts";
import type { SparseClassifier } from "../sparse/classifier.ts";
import { createFrozenParameter, type Parameter } from "../tensor/parameter.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** A model that records ranges. */
export interface Calibration {
  /** Computes logits, and widens the ranges. Padding is not computed. */
  readonly classifier: Pick<SparseClassifier, "config" | "logits">;
  /** The ranges by the names of linear layers. */
  readonly ranges: ReadonlyMap<string, InputRange>;
}

/** Creates a model that records the ranges of the inputs of its linear layers. */
export function createCalibration(
  backend: Backend,
  config: ModelConfig,
  read: (name: string) => NamedValues,
): Calibration {
  const parameters = new Map<string, Parameter>();
  const linearProducts = new Map<Parameter, LinearProduct>();
  const ranges = new Map<string, InputRange>();
  for (const { name, module, role } of parameterList(config)) {
    const { shape, data } = read(name);
    const parameter = createFrozenParameter(backend, name, shape, data);
    parameters.set(name, parameter);
    if (module.kind !== "linear" || role !== "weight") continue;
    linearProducts.set(parameter, (x, bias, y, rows) => {
      ranges.set(module.name, widened(ranges.get(module.name), x));
      multiply(backend, parameter.value, x, bias, y, rows);
    });
  }
  const logits: SparseClassifier["logits"] = (batch) => {
    const tape = createTape(backend, { training: false, linearProducts });
    try {
      const output = forward(tape, config, parameters, batch, { padding: "excluded" });
      return output.logits.value.data.slice();
    } finally {
      releaseTape(tape);
    }
  };
  return { classifier: { config, logits }, ranges };
}

function widened(range: InputRange | undefined, { data }: Tensor): InputRange {
  let { least, largest } = range ?? { least: Infinity, largest: -Infinity };
  for (let i = 0; i < data.length; i++) {
    const x = data[i] ?? 0;
    if (x < least) least = x;
    if (x > largest) largest = x;
  }
  return { least, largest };
}

/** Computes y = x W^T + b. */
function multiply(
  { kernels }: Backend,
  weight: Tensor,
  x: Tensor,
  bias: Tensor | null,
  y: Tensor,
  rows: number,
): void {
  const [outputs = 0, inputs = 0] = weight.shape;
  const ys = y.data;
  kernels.gemm(
    ...(["nt", rows, outputs, inputs] as const),
    ...([x.data, 0, inputs, weight.data, 0, inputs] as const),
    ...([ys, 0, outputs, false] as const),
  );
  if (bias !== null) kernels.addBias(ys, bias.data, rows, outputs);
}
