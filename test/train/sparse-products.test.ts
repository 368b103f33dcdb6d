import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { InputError } from "../../src/core/either.ts";
import { type Backend, createBackend } from "../../src/kernels/backend.ts";
import type { Kernels } from "../../src/kernels/table.ts";
import { initialiseParameters } from "../../src/model/parameters.ts";
import { releaseParameters } from "../../src/tensor/parameter.ts";
import { createPruningKernels } from "../../src/train/pruning.ts";
import { createSession, releaseSession, type TrainingSession } from "../../src/train/session.ts";
import { trainingSettings } from "../../src/train/settings.ts";
import { captureSnapshot, restoreSnapshotInto } from "../../src/train/snapshot.ts";
import { BREAK_EVEN, type SparseProductsSetting } from "../../src/train/sparse-switch.ts";
import { appliedMask } from "../../src/train/sparsity.ts";
import { trainStepInto } from "../../src/train/step.ts";
import { sequenceClassifier } from "../../src/train/trainable-model.ts";
import { VARIANTS } from "../kernels/subjects.ts";
import { randomBatch, SMALL_BERT } from "../model/small-models.ts";
import { withScarceMemory } from "../tensor/scarce-memory.ts";
import { LAST_PRUNE_STEP, PRUNERS, PRUNING, STEPS } from "./pruners.ts";

type Session = TrainingSession<ReturnType<typeof batchOf>>;

const TERMS = { trainingRows: "", batchSize: 3, rowLengths: null, teacher: null };

const batchOf = (step: number) => randomBatch([6, 9, 4], 9, step);

function start(
  backend: Backend,
  sparseProducts: SparseProductsSetting,
  pruning: unknown,
  profile: "inc" | "strict" = "inc",
): Session {
  const model = sequenceClassifier(SMALL_BERT, initialiseParameters(backend, SMALL_BERT, 5));
  const optimizer = { learningRate: 1e-3, weightDecay: 0.01 };
  const settings = trainingSettings({ optimizer, pruning, profile, sparseProducts });
  return createSession(backend, model, settings);
}

function end(session: Session): void {
  releaseSession(session);
  releaseParameters(session.model.parameters);
}

/** Trains to the end: each step's loss and masks, and at the end the weights. */
function trained(
  backend: Backend,
  sparseProducts: SparseProductsSetting,
  pruning: unknown,
  profile: "inc" | "strict",
) {
  const session = start(backend, sparseProducts, pruning, profile);
  const losses: number[] = [];
  const masks: string[] = [];
  for (let step = 0; step < STEPS; step++) {
    losses.push(trainStepInto(session, batchOf(step)).loss);
    masks.push(masksOf(session).join("\n"));
    expectPrunedZero(session);
  }
  const weights = [...session.model.parameters.values()].map(({ value }) => value.data.slice());
  end(session);
  return { losses, masks, weights };
}

function layersOf({ pruning }: Session) {
  return pruning?.state.pruners.flatMap(({ layers }) => layers) ?? [];
}

function masksOf(session: Session): readonly string[] {
  return layersOf(session).map((layer) => `${layer.name} ${appliedMask(layer).join("")}`);
}

function expectPrunedZero(session: Session): void {
  for (const layer of layersOf(session)) {
    const data = session.model.parameters.get(`${layer.name}.weight`)?.value.data;
    appliedMask(layer).forEach((bit, i) => {
      if (bit === 0 && !Object.is(data?.[i], 0)) throw new Error(`${layer.name}[${i}] is not 0`);
    });
  }
}

/** The backend with every product with a compressed weight noted. */
function noting(backend: Backend, notes: string[]): Backend {
  const { kernels } = backend;
  const noted = <Name extends "blockSparseForward" | "blockSparseWeightSums">(
    name: Name,
  ): Kernels[Name] =>
    ((...values: Parameters<Kernels[Name]>) => {
      notes.push(name);
      (kernels[name] as (...values: unknown[]) => void)(...values);
    }) as Kernels[Name];
  const overrides = {
    blockSparseForward: noted("blockSparseForward"),
    blockSparseWeightSums: noted("blockSparseWeightSums"),
  };
  return { ...backend, kernels: { ...kernels, ...overrides } };
}

describe.each(VARIANTS)("training with compressed weights (%s)", (_variant, backend) => {
  test.each(PRUNERS)("is dense training up to rounding: %s", (_name, pruning) => {
    for (const profile of ["inc", "strict"] as const) {
      const notes: string[] = [];
      const dense = trained(backend, "off", pruning, profile);
      const sparse = trained(noting(backend, notes), "always", pruning, profile);
      expect(notes.length).toBeGreaterThan(0);
      expect(sparse.masks).toEqual(dense.masks);
      sparse.losses.forEach((loss, step) => {
        expect(Math.abs(loss - (dense.losses[step] ?? NaN))).toBeLessThan(1e-5);
      });
      // AdamW turns the rounding of a gradient near zero into one of a whole step at most.
      sparse.weights.forEach((weight, i) => {
        weight.forEach((value, j) => {
          expect(Math.abs(value - (dense.weights[i]?.[j] ?? NaN))).toBeLessThan(1e-3);
        });
      });
    }
  });
});

describe("compressed weights", () => {
  const backend = createBackend({ variant: "scalar" });

  test("leave pruned weights' gradients out after the last prune step alone", () => {
    const notes: string[] = [];
    const session = start(noting(backend, notes), "always", PRUNING);
    const masked: number[] = [];
    for (let step = 0; step < STEPS; step++) {
      notes.length = 0;
      trainStepInto(session, batchOf(step));
      if (notes.includes("blockSparseWeightSums")) masked.push(step);
    }
    expect(masked).toEqual([...Array(STEPS).keys()].slice(LAST_PRUNE_STEP));
    end(session);
  });

  test("are not used where the setting is off, nor at densities beyond the table", () => {
    const notes: string[] = [];
    const noted = noting(backend, notes);
    for (const [setting, target] of [
      ["off", 0.9],
      ["auto", 0.3],
    ] as const) {
      const pruning = { ...PRUNING, pruning_scope: "local", target_sparsity: target };
      const session = start(noted, setting, pruning);
      for (let step = 0; step < STEPS; step++) trainStepInto(session, batchOf(step));
      end(session);
    }
    expect(notes).toEqual([]);
    const session = start(noted, "auto", { ...PRUNING, target_sparsity: 0.9 });
    for (let step = 0; step < STEPS; step++) trainStepInto(session, batchOf(step));
    end(session);
    expect(notes.length).toBeGreaterThan(0);
    expect(Object.values(BREAK_EVEN.scalar).every((density) => density < 0.7)).toBe(true);
  });

  test("see weights that were changed between two steps", () => {
    const lossWith = (setting: SparseProductsSetting) => {
      const session = start(backend, setting, PRUNING);
      for (let step = 0; step < STEPS; step++) {
        for (const { name, value } of session.model.parameters.values()) {
          if (name.includes("attention")) backend.kernels.scale(value.data, 1.5, value.data);
        }
        trainStepInto(session, batchOf(step));
      }
      const { loss } = trainStepInto(session, batchOf(STEPS));
      end(session);
      return loss;
    };
    expect(Math.abs(lossWith("always") - lossWith("off"))).toBeLessThan(1e-4);
  });

  test("go on from a snapshot with the same bytes, at any step", () => {
    const whole = start(backend, "always", PRUNING);
    const snapshots = Array.from({ length: STEPS }, (_, step) => {
      const snapshot = captureSnapshot(whole, { reportedEpochs: 0, lossSum: 0 }, TERMS);
      trainStepInto(whole, batchOf(step));
      return snapshot;
    });
    const last = captureSnapshot(whole, { reportedEpochs: 0, lossSum: 0 }, TERMS);
    fc.assert(
      fc.property(fc.nat(STEPS - 1), (from) => {
        const resumed = start(backend, "always", PRUNING);
        const snapshot = snapshots[from];
        if (snapshot === undefined) throw new Error();
        restoreSnapshotInto(resumed, snapshot, TERMS);
        for (let step = from; step < STEPS; step++) trainStepInto(resumed, batchOf(step));
        const ended = captureSnapshot(resumed, { reportedEpochs: 0, lossSum: 0 }, TERMS);
        end(resumed);
        expect(ended).toEqual(last);
      }),
      { numRuns: 8 },
    );
    // Back to an earlier step in the same session: compressed weights are those of then.
    restoreSnapshotInto(whole, snapshots[3] ?? last, TERMS);
    for (let step = 3; step < STEPS; step++) trainStepInto(whole, batchOf(step));
    expect(captureSnapshot(whole, { reportedEpochs: 0, lossSum: 0 }, TERMS)).toEqual(last);
    end(whole);
  });

  test("are a setting that a snapshot must agree with", () => {
    const session = start(backend, "off", PRUNING);
    const snapshot = captureSnapshot(session, { reportedEpochs: 0, lossSum: 0 }, TERMS);
    const other = start(backend, "auto", PRUNING);
    expect(() => restoreSnapshotInto(other, snapshot, TERMS)).toThrow(InputError);
    expect(() => restoreSnapshotInto(other, snapshot, TERMS)).toThrow(
      /settings.sparseProducts: expected "auto", got "off" in the snapshot/,
    );
    end(session);
    end(other);
    expect(() => start(backend, "on" as SparseProductsSetting, PRUNING)).toThrow(
      /settings.sparseProducts: expected one of/,
    );
  });

  test("give all memory back, and take none in a steady state", () => {
    const before = backend.memory.usage().used;
    const session = start(backend, "always", PRUNING);
    for (let step = 0; step < LAST_PRUNE_STEP + 2; step++) trainStepInto(session, batchOf(step));
    const steady = backend.memory.usage();
    for (let step = LAST_PRUNE_STEP + 2; step < STEPS; step++) {
      trainStepInto(session, batchOf(step));
      expect(backend.memory.usage()).toEqual(steady);
    }
    end(session);
    expect(backend.memory.usage().used).toBe(before);
  });
});

test("a session keeps no memory if it runs out, at any allocation", () => {
  const backend = createBackend({ variant: "simd" });
  const used = (): number => backend.memory.usage().used;
  createPruningKernels(backend); // Its memory stays for all sessions.
  const before = used();
  let begun = 0;
  const finished = withScarceMemory(
    backend,
    (scarce) => {
      begun++;
      const parameters = initialiseParameters(scarce, SMALL_BERT, 5);
      try {
        const settings = trainingSettings({ pruning: PRUNING, sparseProducts: "always" });
        const session = createSession(scarce, sequenceClassifier(SMALL_BERT, parameters), settings);
        try {
          for (let step = 0; step < 4; step++) trainStepInto(session, batchOf(step));
        } finally {
          releaseSession(session);
        }
      } finally {
        releaseParameters(parameters);
      }
      return begun;
    },
    () => expect(used()).toBe(before),
  );
  expect(finished).toBeGreaterThan(500);
  expect(used()).toBe(before);
});
