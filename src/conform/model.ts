/**
 * Replays model vectors: forward pass, gradients, distillation losses and optimizer steps of BERT and
 * DistilBERT as transformers computes them, with every position of the batch computed, and once more without
 * padding as far as results do not depend on it. A case directory counts once.
 */
import { createTape, releaseTape } from "../autograd/tape.ts";
import type { Backend } from "../kernels/backend.ts";
import { forward } from "../model/forward.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { type CaseFiles, openCase } from "./case-files.ts";
import { type Difference, firstOf, type Tolerance, tensorDifference } from "./difference.ts";
import { closeModelCase, type ModelCase, openModelCase, withStudent } from "./model-case.ts";
import { distillationDifference, gradientDifference } from "./model-gradients.ts";
import { optimizerDifference } from "./model-optimizer.ts";
import { recordedOutput } from "./model-tokens.ts";
import { judge, type Verdict } from "./verdict.ts";

/** Hidden states, attentions, pooled output and logits: absolute. */
const OUTPUT: Tolerance = { absolute: 1e-5 };

/** One verdict for each case, named after its directory; `only` selects by that name. */
export function* replayModel(
  cases: Iterable<CaseFiles>,
  backend: Backend,
  only?: RegExp,
): Iterable<Verdict> {
  for (const files of cases) {
    if (only !== undefined && files.name.search(only) < 0) continue;
    yield judge("model", files.name, () => {
      const modelCase = openModelCase(backend, openCase(files));
      try {
        return (
          passDifference(modelCase) ??
          distillationDifference(modelCase) ??
          inQuantity("without padding", passDifference({ ...modelCase, padding: "excluded" }))
        );
      } finally {
        closeModelCase(modelCase);
      }
    });
  }
}

/** First difference in the model's outputs, gradients and steps. */
function passDifference(modelCase: ModelCase): Difference | undefined {
  return (
    outputDifference(modelCase) ?? gradientDifference(modelCase) ?? optimizerDifference(modelCase)
  );
}

function inQuantity(what: string, difference: Difference | undefined): Difference | undefined {
  return difference && { ...difference, quantity: `${what}: ${difference.quantity}` };
}

/** First difference in what a forward pass gives. */
function outputDifference(modelCase: ModelCase): Difference | undefined {
  const { backend, config, batch, files, teacher, padding } = modelCase;
  return withStudent(modelCase, (parameters) => {
    const tape = createTape(backend, { training: false });
    const options = { outputHiddenStates: true, outputAttentions: true, padding };
    const output = forward(tape, config, parameters, batch, options);
    const results: ReadonlyMap<string, Tensor> = new Map([
      ...output.hiddenStates.map(({ value }, i) => [`out/hidden_states/${i}`, value] as const),
      ...output.attentions.map(({ value }, i) => [`out/attentions/${i}`, value] as const),
      ["out/pooled", output.pooled.value],
      ["out/pooler_output", output.pooled.value],
      ["out/logits", output.logits.value],
      ["out/teacher_last_hidden", teacher.lastHidden],
      ["out/teacher_logits", teacher.logits],
    ]);
    const names = [...files.tensors.keys()].filter((name) => name.startsWith("out/"));
    const difference = firstOf(names, (name) =>
      tensorDifference(
        name,
        recordedOutput(modelCase, output.padding, name),
        results.get(name)?.data ?? new Float32Array(0),
        OUTPUT,
      ),
    );
    releaseTape(tape);
    return difference;
  });
}
