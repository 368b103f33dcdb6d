/** The activation functions of models. */
import { gelu, geluNew, relu, silu, tanh } from "../autograd/activation.ts";
import type { Variable } from "../autograd/records.ts";
import type { Tape } from "../autograd/tape.ts";

/** The activation between the two linear layers of a feed-forward sub-layer, by its name in transformers. */
export type HiddenActivation = "gelu" | "gelu_new" | "relu" | "silu";

/** The activation of a classification head. */
export type HeadActivation = "gelu" | "relu" | "tanh";

/** The names in config.json. Several of them have the same values. */
const NAMES: ReadonlyMap<unknown, HiddenActivation> = new Map([
  ["gelu", "gelu"],
  ["gelu_python", "gelu"],
  ["gelu_new", "gelu_new"],
  ["gelu_fast", "gelu_new"],
  ["gelu_pytorch_tanh", "gelu_new"],
  ["relu", "relu"],
  ["silu", "silu"],
  ["swish", "silu"],
]);

/** Returns the activation with a name of config.json; undefined for an unknown name. */
export function activationNamed(name: unknown): HiddenActivation | undefined {
  return NAMES.get(name);
}

export const ACTIVATION_NAMES: string = "gelu, gelu_new, relu or silu";

export function activate(
  tape: Tape,
  activation: HiddenActivation | HeadActivation,
  x: Variable,
): Variable {
  switch (activation) {
    case "gelu":
      return gelu(tape, x);
    case "gelu_new":
      return geluNew(tape, x);
    case "relu":
      return relu(tape, x);
    case "silu":
      return silu(tape, x);
    case "tanh":
      return tanh(tape, x);
    default:
      return activation satisfies never;
  }
}
