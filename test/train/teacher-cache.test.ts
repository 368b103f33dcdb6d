import fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { selectRows } from "../../src/autograd/embedding.ts";
import { createTape, releaseTape, type Tape } from "../../src/autograd/tape.ts";
import type { Backend } from "../../src/kernels/backend.ts";
import type { TokenBatch } from "../../src/model/batch.ts";
import { forward } from "../../src/model/forward.ts";
import { initialiseParameters } from "../../src/model/parameters.ts";
import { releaseParameters } from "../../src/tensor/parameter.ts";
import type { TrainingEvent } from "../../src/train/events.ts";
import { padExamples, type TokenisedExample } from "../../src/train/examples.ts";
import { fineTune } from "../../src/train/loop.ts";
import { createSession, releaseSession } from "../../src/train/session.ts";
import {
  type DistillationSettings,
  type TrainingSettings,
  trainingSettings,
} from "../../src/train/settings.ts";
import { storedParameters } from "../../src/train/snapshot.ts";
import { trainStepInto } from "../../src/train/step.ts";
import {
  createTeacherCache,
  type TeacherMemory,
  type TeacherStorage,
} from "../../src/train/teacher-cache.ts";
import { type LabelledBatch, sequenceClassifier } from "../../src/train/trainable-model.ts";
import { VARIANTS } from "../kernels/subjects.ts";
import { randomBatch, SMALL_BERT, SMALL_MODELS } from "../model/small-models.ts";
import {
  collate,
  createPerceptron,
  makeRows,
  perceptronOptions,
  type RowBatch,
} from "./perceptron.ts";

type Batch = TokenBatch & LabelledBatch;
const [[, SCALAR]] = VARIANTS.filter(([name]) => name === "scalar");

/** A storage in an array, which grows without gaps. */
function arrayStorage(): TeacherStorage & { readonly bytes: number[] } {
  const bytes: number[] = [];
  return {
    bytes,
    write(position, written) {
      expect(position).toBe(bytes.length);
      bytes.push(...written);
    },
    read(position, into) {
      into.set(bytes.slice(position, position + into.length));
    },
  };
}

describe.each(VARIANTS)("a teacher's hidden states (%s)", (_variant, backend) => {
  it.each(SMALL_MODELS)("%s: are the same bytes at padded positions in any batch", (_, config) => {
    const parameters = initialiseParameters(backend, config, 1);
    const statesOf = (batch: TokenBatch): Float32Array => {
      const tape = createTape(backend, { training: false });
      const [states] = forward(tape, config, parameters, batch).hiddenStates;
      const values = states.value.data.slice();
      releaseTape(tape);
      return values;
    };
    const lengths = fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(lengths, fc.nat(8), fc.nat(3), fc.nat(99), (list, extra, more, seed) => {
        const positions = Math.max(...list) + extra;
        const alone = statesOf(randomBatch(list.slice(0, 1), positions, seed));
        const longer = statesOf(randomBatch(list, positions + more, seed));
        expect(longer.slice(0, alone.length)).toEqual(alone);
      }),
      { numRuns: 20 },
    );
    releaseParameters(parameters);
  });
});

/** Rows of 1 to 12 tokens. */
const ROWS: readonly TokenisedExample[] = Array.from({ length: 30 }, (_, row) => {
  const inputIds = Array.from(
    { length: 1 + ((row * 7) % 12) },
    (_id, i) => 1 + ((row + 5 * i) % 29),
  );
  return { inputIds, tokenTypeIds: inputIds.map(() => 0), label: row % 3 };
});

interface Outcome {
  readonly events: readonly TrainingEvent[];
  readonly weights: ReturnType<typeof storedParameters>;
  /** Examples that the teacher computed. */
  readonly computed: number;
}

/** Two models of one batch layout; four epochs of distillation. */
async function distil(
  backend: Backend,
  distillation: DistillationSettings,
  teacherCache: TrainingSettings["teacherCache"],
  teacherMemory: TeacherMemory = {},
  padId: number = 0,
): Promise<Outcome> {
  const [model, teacher] = [1, 2].map((seed) =>
    sequenceClassifier(SMALL_BERT, initialiseParameters(backend, SMALL_BERT, seed)),
  );
  let computed = 0;
  const counted: typeof teacher = {
    ...teacher,
    forward(tape, batch, options) {
      computed += batch.batch;
      return teacher.forward(tape, batch, options);
    },
    forwardExamples(tape: Tape, batch: Batch, examples: readonly number[], options) {
      computed += examples.length;
      return teacher.forwardExamples?.(tape, batch, examples, options) ?? expect.unreachable();
    },
  };
  const run = fineTune<TokenisedExample, Batch>({
    backend,
    model,
    teacher: counted,
    teacherMemory,
    trainingRows: ROWS,
    evaluationRows: ROWS,
    collate: (rows) => padExamples(rows, padId),
    epochs: 4,
    batchSize: 8,
    settings: trainingSettings({ distillation, teacherCache }),
  });
  const events: TrainingEvent[] = [];
  for await (const event of run) events.push(event);
  const weights = storedParameters(model.parameters);
  run.release();
  for (const { parameters } of [model, teacher]) releaseParameters(parameters);
  return { events, weights, computed };
}

const KINDS: Readonly<Record<string, DistillationSettings>> = {
  "hidden states, padding included": { kind: "last-hidden-state", weight: 5 },
  "hidden states, padding excluded": { kind: "last-hidden-state", weight: 5, padding: "excluded" },
  logits: { kind: "logits", weight: 1 },
};

describe.each(VARIANTS)("distillation with a float32 cache (%s)", (_variant, backend) => {
  it.each(Object.entries(KINDS))("has the same bytes as without: %s", async (name, kind) => {
    const { computed, ...plain } = await distil(backend, kind, "off");
    expect(computed).toBe(4 * ROWS.length);
    const kept = await distil(backend, kind, "float32");
    expect({ events: kept.events, weights: kept.weights }).toEqual(plain);
    if (name.endsWith("included")) expect(kept.computed).toBeLessThan(3 * ROWS.length);
    else expect(kept.computed).toBe(ROWS.length);

    const again = await distil(backend, kind, "float32", { budget: 100 });
    expect({ events: again.events, weights: again.weights }).toEqual(plain);
    expect(again.computed).toBeGreaterThan(kept.computed);

    const full: TeacherStorage = {
      ...arrayStorage(),
      write: () => {
        throw new Error("ENOSPC: no space left on device, write");
      },
    };
    const unkept = await distil(backend, kind, "float32", { budget: 100, storage: full });
    expect({ events: unkept.events, weights: unkept.weights }).toEqual(plain);
    const storage = arrayStorage();
    const spilt = await distil(backend, kind, "float32", { budget: 100, storage });
    expect(spilt).toEqual(kept);
    expect(storage.bytes.length).toBeGreaterThan(0);
  });
});

it("computes rows as far as the longest so far, where padding is the model's own", async () => {
  const kind = KINDS["hidden states, padding included"];
  const computed: number[] = [];
  for (const padId of [0, 3]) {
    const { computed: all, ...plain } = await distil(SCALAR, kind, "off", {}, padId);
    const kept = await distil(SCALAR, kind, "float32", {}, padId);
    expect({ events: kept.events, weights: kept.weights }).toEqual(plain);
    computed.push(kept.computed, all);
  }
  const [own, , other, all] = computed;
  expect(own).toBeLessThan(other);
  expect(other).toBeLessThan(all);
});

it("with a float16 cache differs a little, the same whatever was kept", async () => {
  const kind = KINDS["hidden states, padding included"];
  const plain = await distil(SCALAR, kind, "off");
  const half = await distil(SCALAR, kind, "float16");
  expect(half.weights).not.toEqual(plain.weights);
  for (const memory of [{ budget: 300 }, { budget: 0, storage: arrayStorage() }]) {
    const other = await distil(SCALAR, kind, "float16", memory);
    expect(other.events).toEqual(half.events);
    expect(other.weights).toEqual(half.weights);
  }
  // The first step: targets of magnitude up to 3 are off by 2^-11 of it, and 5 times the mean of squares of
  // differences d by at most 10 |d| 3 x 2^-11, at |d| up to 6.
  const losses = [plain, half].map(
    ({ events }) => events.find((event) => event.type === "step")?.loss ?? Number.NaN,
  );
  expect(Math.abs(losses[0] - losses[1])).toBeLessThan(180 * 2 ** -11);
});

/** The perceptron, counting its passes; `told`: whether its hidden state's rows are the batch's. */
function ownModel(seed: number, told: boolean) {
  const model = createPerceptron(SCALAR, seed);
  const counted = {
    ...model,
    passes: 0,
    forward(tape: Tape, batch: RowBatch) {
      counted.passes++;
      const output = model.forward(tape, batch);
      const some = output.hiddenStates?.map((state) =>
        selectRows(tape, state, Int32Array.of(0, 1, 0)),
      );
      return told ? output : { ...output, hiddenStates: some ?? [] };
    },
  };
  return counted;
}

test("a program's own teacher is kept where its rows can be told apart", async () => {
  const run = async (teacherCache: TrainingSettings["teacherCache"], told: boolean) => {
    const distillation = { kind: "last-hidden-state", weight: 5 } as const;
    const [model, teacher] = [ownModel(1, told), ownModel(5, told)];
    const options = perceptronOptions(SCALAR, { distillation, teacherCache });
    const events: TrainingEvent[] = [];
    for await (const event of fineTune({ ...options, model, teacher })) events.push(event);
    return { events, weights: storedParameters(model.parameters), passes: teacher.passes };
  };
  for (const [told, passes] of [
    [true, 7],
    [false, 28],
  ] as const) {
    const [plain, kept] = [await run("off", told), await run("float32", told)];
    expect({ ...kept, passes: 0 }).toEqual({ ...plain, passes: 0 });
    expect([plain.passes, kept.passes]).toEqual([28, passes]);
  }
});

test("steps that do not say their rows compute the teacher anew", () => {
  const distillation = { kind: "logits", weight: 1 } as const;
  const teacher = ownModel(5, true);
  const model = createPerceptron(SCALAR, 1);
  const session = createSession(SCALAR, model, trainingSettings({ distillation }), teacher);
  const batch = collate(makeRows(3, 4));
  for (const rows of [null, null, [4, 5, 6, 7], [4, 5, 6, 7]]) trainStepInto(session, batch, rows);
  expect(teacher.passes).toBe(3);
  releaseSession(session);
});

test("a snapshot of another precision is refused", async () => {
  const distillation = { kind: "last-hidden-state", weight: 5 } as const;
  const options = (teacherCache: TrainingSettings["teacherCache"]) => ({
    ...perceptronOptions(SCALAR, { distillation, teacherCache }),
    teacher: createPerceptron(SCALAR, 5),
  });
  const resumeFrom = fineTune(options("float32")).snapshot();
  expect(() => fineTune({ ...options("float16"), resumeFrom })).toThrow(
    /settings.teacherCache: expected "float16", got "float32" in the snapshot/,
  );
  const none = "float64" as "float32";
  expect(() => fineTune(options(none))).toThrow(/settings.teacherCache: expected one of float32/);
});

describe("a cache", () => {
  const values = (count: number, first: number) =>
    Float32Array.from({ length: count }, (_, i) => first + i);

  it("reads what was kept, within its budget, whatever comes in which order", () => {
    const keeps = fc.array(fc.tuple(fc.nat(5), fc.integer({ min: 1, max: 6 }), fc.boolean()), {
      maxLength: 40,
    });
    fc.assert(
      fc.property(keeps, fc.nat(120), fc.boolean(), (list, budget, spills) => {
        const cache = createTeacherCache("float32", {
          budget,
          ...(spills ? { storage: arrayStorage() } : {}),
        });
        const most = new Map<number, number>();
        for (const [key, rows] of list) {
          const had = cache.has(key, rows);
          expect(cache.keep(key, values(2 * rows, 100 * key), rows)).toEqual(
            values(2 * rows, 100 * key),
          );
          most.set(key, Math.max(rows, most.get(key) ?? 0));
          expect(cache.usedBytes()).toBeLessThanOrEqual(budget);
          if (spills || had) expect(cache.has(key, rows)).toBe(true);
        }
        for (const [key, rows] of most) {
          for (let some = 1; some <= rows; some++) {
            if (cache.has(key, some))
              expect(cache.read(key, some)).toEqual(values(2 * some, 100 * key));
            else expect(spills).toBe(false);
          }
          expect(cache.has(key, rows + 1)).toBe(false);
        }
      }),
    );
  });

  it("refuses what it does not have, and a budget that is none", () => {
    const cache = createTeacherCache("float16");
    cache.keep(1, values(2, 0), 1);
    expect(() => cache.read(1, 2)).toThrow("key 1: expected 2 rows kept, got 1");
    expect(() => cache.read(2, 1)).toThrow("key 2: expected 1 rows kept, got none");
    expect(() => createTeacherCache("float32", { budget: -1 })).toThrow(/budget: expected/);
  });
});
