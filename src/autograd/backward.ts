import { checkSameShape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { activationBackward } from "./activation.ts";
import { addBackward, multiplyBackward, scaleBackward } from "./arithmetic.ts";
import { attentionContextBackward, attentionProbabilitiesBackward } from "./attention.ts";
import { checkTape, checkVariable } from "./check.ts";
import { dropoutBackward } from "./dropout.ts";
import { embeddingSumBackward, selectRowsBackward } from "./embedding.ts";
import { binaryCrossEntropyBackward, crossEntropyBackward } from "./label-losses.ts";
import { layerNormBackward } from "./layer-norm.ts";
import { linearBackward } from "./linear.ts";
import { meanSquaredErrorBackward, softTargetsBackward } from "./losses.ts";
import type { OperationName, OperationRecord, Variable } from "./records.ts";
import { copyOf, createScratch, dropGradient, type Tape } from "./tape.ts";

/**
 * The backward rules of all operations. A rule passes the gradient of an operation's output on to its operands. A
 * missing rule is a compile-time error.
 */
type BackwardRules = {
  readonly [Name in OperationName]: (tape: Tape, record: OperationRecord<Name>) => void;
};

export const BACKWARD_RULES: BackwardRules = Object.freeze({
  linear: linearBackward,
  gelu: activationBackward,
  geluNew: activationBackward,
  silu: activationBackward,
  tanh: activationBackward,
  relu: activationBackward,
  dropout: dropoutBackward,
  layerNorm: layerNormBackward,
  attentionProbabilities: attentionProbabilitiesBackward,
  attentionContext: attentionContextBackward,
  embeddingSum: embeddingSumBackward,
  selectRows: selectRowsBackward,
  add: addBackward,
  multiply: multiplyBackward,
  scale: scaleBackward,
  crossEntropy: crossEntropyBackward,
  binaryCrossEntropy: binaryCrossEntropyBackward,
  meanSquaredError: meanSquaredErrorBackward,
  softTargets: softTargetsBackward,
} satisfies BackwardRules);

/**
 * Runs the backward pass: adds d loss / d parameter to the gradient of every parameter. It frees activations and
 * intermediate gradients, so it can run only once for each tape.
 *
 * @param loss - a scalar of this tape
 * @throws RangeError if the loss is not a scalar or does not depend on a parameter, or for a second backward pass
 */
export function backward(tape: Tape, loss: Variable): void {
  checkTape(tape);
  checkVariable("loss", loss);
  checkSameShape("loss", loss.shape, []);
  if (!tape.recordGradients)
    throw new RangeError("tape: expected one with recordGradients, got one without");
  if (!loss.requiresGradient || !tape.records.some(({ output }) => output === loss))
    throw new RangeError("loss: expected a trainable result of a tape not yet swept");
  loss.gradient = createScratch(tape, []);
  tape.backend.kernels.fill(loss.gradient.data, 1);
  for (let next = tape.records.at(-1); next !== undefined; next = tape.records.at(-1)) {
    if (next.output.gradient !== null) passOn(tape, next, next.output.gradient);
    // Removed only after the rule has run: if it throws, `releaseTape` frees the tensors of the record.
    tape.records.pop();
    for (let i = 0; i < next.saved.length; i++) next.saved[i].release();
  }
}

/**
 * Runs the backward rule of an operation. The rule may overwrite the gradient of the output, so it is copied if it must
 * be kept.
 */
function passOn(tape: Tape, record: OperationRecord, gradient: Tensor): void {
  const { output } = record;
  const kept = output.keepsGradient ? copyOf(tape, gradient) : null;
  try {
    applyRule(tape, record);
  } finally {
    dropGradient(output);
    output.gradient = kept;
  }
}

function applyRule<Name extends OperationName>(tape: Tape, record: OperationRecord<Name>): void {
  const rule: BackwardRules[Name] = BACKWARD_RULES[record.operation];
  rule(tape, record);
}
