import fc from "fast-check";
import { expect, test } from "vitest";
import { createRunBoard, readTimings } from "../../src/run/board.ts";
import type { MetricsLine } from "../../src/run/metrics.ts";
import { memoryStorage, textOf } from "./memory-storage.ts";

function line(seed: number, epoch: number): MetricsLine {
  return {
    seed,
    epoch,
    phase: "dense",
    recipe: "r",
    pattern: "dense",
    step: epoch,
    training_loss: 1,
    evaluation_loss: 1,
    accuracy: 1,
    f1: 1,
    target_sparsity: null,
    pruned_blocks: null,
    total_blocks: null,
    sparsity_pruned_layers: null,
    sparsity_linear_layers: null,
    sparsity_layer_mean: null,
    drifted_weights: null,
    profile: "inc",
    variant: "simd",
  };
}

const NONE = new Map<number, never>();

test("metrics.jsonl is in the order of seeds, whichever epochs come first", async () => {
  const storage = memoryStorage();
  const read = () => textOf(storage, "run/metrics.jsonl");
  const epochs = [0, 1, 2].flatMap((seed) => [1, 2, 3].map((epoch) => ({ seed, epoch })));
  let expected: string | undefined;
  await fc.assert(
    fc.asyncProperty(
      fc.shuffledSubarray([0, 1, 2, 0, 1, 2, 0, 1, 2], { minLength: 9 }),
      async (order) => {
        const board = createRunBoard(storage, "run", [0, 1, 2], NONE, {});
        const next = [1, 1, 1];
        for (const seed of order) {
          const epoch = next[seed] ?? 0;
          next[seed] = epoch + 1;
          await board.onMessage(seed, { kind: "epoch", line: line(seed, epoch), seconds: 0.5 });
        }
        expect(Object.values(board.timings())).toEqual([1.5, 1.5, 1.5]);
        expect(await readTimings(storage, "run")).toEqual(board.timings());
        expected ??= read();
        expect(read()).toBe(expected);
      },
    ),
    { numRuns: 10 },
  );
  const seen = (expected ?? "")
    .trim()
    .split("\n")
    .map((text) => JSON.parse(text));
  expect(seen.map(({ seed, epoch }) => ({ seed, epoch }))).toEqual(epochs);
});

test("the steps of all seeds add up, and a resumed seed keeps its lines", async () => {
  const storage = memoryStorage();
  const steps: unknown[] = [];
  const onStep = (...step: unknown[]) => void steps.push(step);
  const board = createRunBoard(storage, "run", [0, 1], NONE, {}, { onStep });
  const phase = { phase: "sparse", recipe: "r", pattern: "4x1", seed: 1 } as const;
  await board.onMessage(0, { kind: "started", lines: [line(1, 1)], models: "" });
  const step = { kind: "step", phase, total: 10, targetSparsity: 0, reachedSparsity: 0 } as const;
  await board.onMessage(0, { ...step, done: 3, loss: 1 });
  await board.onMessage(1, { ...step, done: 1, loss: 2 });
  expect(steps).toEqual([
    ["sparse 4x1", 3, 20, 1],
    ["2 seeds", 4, 20, 1.5],
  ]);
  await board.onMessage(0, { kind: "epoch", line: line(1, 2), seconds: 1 });
  expect(textOf(storage, "run/metrics.jsonl").split("\n")).toHaveLength(3);
});

test("seeds that post at once never lose each other's lines to a slow storage", async () => {
  const slow = memoryStorage();
  const delays = [30, 0, 20, 10, 0, 5];
  const write = async (
    path: string,
    content: Uint8Array | string | readonly Uint8Array[],
  ): Promise<void> => {
    await new Promise((resolve) => setTimeout(resolve, delays.shift() ?? 0));
    await slow.write(path, content);
  };
  const board = createRunBoard({ ...slow, write }, "run", [0, 1, 2], NONE, {});
  const post = (seed: number) =>
    board.onMessage(seed, { kind: "epoch", line: line(seed, 1), seconds: 1 });
  await Promise.all([0, 1, 2].map(post));
  expect(textOf(slow, "run/metrics.jsonl").trim().split("\n")).toHaveLength(3);
  expect(await readTimings(slow, "run")).toEqual(board.timings());
});

test("a write that fails is told to who posted", async () => {
  const storage = memoryStorage((path) => {
    if (path === "run/metrics.jsonl") throw new Error("full");
  });
  const board = createRunBoard(storage, "run", [0], NONE, {});
  const message = { kind: "epoch", line: line(0, 1), seconds: 1 } as const;
  await expect(board.onMessage(0, message)).rejects.toThrow("full");
});
