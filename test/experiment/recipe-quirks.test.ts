/** What surprises in the example script: what it distils, prunes and trains. */
import { expect, test } from "vitest";
import { createTape, releaseTape } from "../../src/autograd/tape.ts";
import { findRecipe, RECIPES, recipePruningConfig } from "../../src/experiment/recipes.ts";
import { createBackend } from "../../src/kernels/backend.ts";
import { parseModelConfigOrThrow } from "../../src/model/config.ts";
import { moduleList } from "../../src/model/modules.ts";
import { initialiseParameters } from "../../src/model/parameters.ts";
import { parsePruningConfigOrThrow } from "../../src/prune/parse.ts";
import { incSelection, selectLayers } from "../../src/prune/select.ts";
import { distillationLoss } from "../../src/train/distillation.ts";
import { padExamples } from "../../src/train/examples.ts";
import { parameterRules, treatmentOf } from "../../src/train/optimizer.ts";
import { sequenceClassifier } from "../../src/train/trainable-model.ts";

const backend = createBackend({ variant: "scalar" });

function modelConfig(type: "bert" | "distilbert") {
  return parseModelConfigOrThrow(
    type === "bert"
      ? {
          model_type: "bert",
          vocab_size: 12,
          hidden_size: 8,
          num_hidden_layers: 1,
          num_attention_heads: 2,
          intermediate_size: 16,
          max_position_embeddings: 8,
        }
      : {
          model_type: "distilbert",
          vocab_size: 12,
          dim: 8,
          n_layers: 1,
          n_heads: 2,
          hidden_dim: 16,
          max_position_embeddings: 8,
        },
  );
}

test("distillation is weight x MSE of the last hidden states alone, padding included, labels left out", () => {
  const config = modelConfig("bert");
  const [student, teacher] = [1, 2].map((seed) =>
    sequenceClassifier(config, initialiseParameters(backend, config, seed)),
  );
  if (!student || !teacher) throw new Error("two models");
  const rows = (label: number) => [
    { inputIds: [1, 2, 3, 4, 5], tokenTypeIds: [0, 0, 0, 0, 0], label },
    { inputIds: [6, 7], tokenTypeIds: [0, 0], label },
  ];
  const measure = (label: number) => {
    const batch = padExamples(rows(label));
    const tape = createTape(backend, { training: false, recordGradients: false });
    const lastHidden = (model: typeof student): Float32Array =>
      model.forward(tape, batch).hiddenStates?.at(-1)?.value.data.slice() ?? new Float32Array(0);
    const [a, b] = [lastHidden(student), lastHidden(teacher)];
    const settings = { kind: "last-hidden-state", weight: 5 } as const;
    const output = student.forward(tape, batch);
    const loss = distillationLoss(tape, output, teacher, batch, settings).value.data[0];
    releaseTape(tape);
    return { a, b, loss: loss ?? Number.NaN };
  };
  const { a, b, loss } = measure(0);
  const squares = Array.from(a, (value, i) => (value - (b[i] ?? 0)) ** 2);
  const mean = (values: readonly number[]) => values.reduce((x, y) => x + y, 0) / values.length;
  // 2 x 5 positions of 8; the last three of the second row are padding, which has states of its own.
  expect(squares).toHaveLength(80);
  const unpadded = 5 * mean(squares.slice(0, 56));
  expect(Math.abs(loss - unpadded)).toBeGreaterThan(1e-3 * loss);
  // A sum of 80 float32 terms, each off by a few units in the last place.
  expect(Math.abs(loss - 5 * mean(squares))).toBeLessThan(80 * 2 ** -23 * loss);
  expect(measure(1).loss).toBe(loss);
});

const KINDS = { linear: "linear", embedding: "embedding", layerNorm: "other" } as const;

function selectedBy(recipeName: string, type: "bert" | "distilbert"): string[][] {
  const { sparse } = findRecipe(recipeName);
  if (sparse === null) throw new Error("expected a sparse phase");
  const { pruners } = parsePruningConfigOrThrow(recipePruningConfig(sparse, 3668));
  const layers = moduleList(modelConfig(type)).map(({ name, kind, shape }) => ({
    name,
    kind: KINDS[kind],
    shape,
    data: new Float32Array(0),
  }));
  return pruners.map((one) =>
    selectLayers(one, layers, true, incSelection).selected.map(({ name }) => name),
  );
}

test("the pooler and the heads are pruned by no recipe", () => {
  const encoder = selectedBy("bertmini-mrpc-4x1", "bert").flat();
  expect(encoder).toHaveLength(6);
  const mixed = selectedBy("bertmini-mrpc-mixed", "bert");
  expect(mixed.map(({ length }) => length)).toEqual([3, 3]);
  const distilled = selectedBy("distilbert-mrpc-4x1", "distilbert").flat();
  expect(distilled).toHaveLength(6);
  for (const name of [...encoder, ...mixed.flat(), ...distilled])
    expect(name).not.toMatch(/pooler|classifier/);
});

test("the script's own local pruning_type overrides the one its caller asks for, in both profiles", () => {
  const { sparse } = findRecipe("bertmini-mrpc-1xchannel");
  if (sparse === null) throw new Error("expected a sparse phase");
  const asked = {
    ...recipePruningConfig(sparse, 3668),
    pruning_type: "snip_momentum_progressive",
  };
  for (const profile of ["inc", "strict"] as const)
    expect(parsePruningConfigOrThrow(asked, { profile }).pruners[0]?.method).toBe("basic");
  const { sparse: progressive } = findRecipe("bertmini-mrpc-1xchannel-progressive");
  if (progressive === null) throw new Error("expected a sparse phase");
  const config = parsePruningConfigOrThrow(recipePruningConfig(progressive, 3668));
  expect(config.pruners[0]?.method).toBe("progressive");
});

test("pruning recipes train by AdamW with betas 0.9 and 0.9, eps 1e-6 and a constant rate", () => {
  for (const { dense, sparse } of RECIPES) {
    expect([dense.betas, dense.epsilon, dense.scheduleName]).toEqual([
      [0.9, 0.999],
      1e-6,
      "linear",
    ]);
    if (sparse === null) continue;
    expect([sparse.betas, sparse.epsilon, sparse.scheduleName]).toEqual([
      [0.9, 0.9],
      1e-6,
      "constant",
    ]);
  }
});

test("heads are in no parameter group of inc, so never trained; strict trains them", () => {
  for (const name of ["classifier.weight", "pre_classifier.weight"]) {
    expect(treatmentOf(parameterRules("inc"), name)).toBe("fixed");
    expect(treatmentOf(parameterRules("strict"), name)).toBe("no-decay");
  }
});
