import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import type { MetricsLine } from "../../src/node/metrics.ts";
import { createRunBoard, readTimings } from "../../src/node/run-board.ts";

const SILENT = { onStep: () => {}, onEpoch: () => {}, onResult: () => {} };

function line(seed: number, epoch: number): MetricsLine {
  return {
    ...{ seed, epoch, phase: "dense", recipe: "r", pattern: "dense", step: epoch },
    ...{ training_loss: 1, evaluation_loss: 1, accuracy: 1, f1: 1, target_sparsity: null },
    ...{ pruned_blocks: null, total_blocks: null, sparsity_pruned_layers: null },
    ...{
      sparsity_linear_layers: null,
      sparsity_layer_mean: null,
      drifted_weights: null,
      profile: "inc",
      variant: "simd",
    },
  };
}

test("metrics.jsonl is in the order of seeds, whichever epochs come first", async () => {
  const directory = mkdtempSync(join(tmpdir(), "espalier-board-"));
  const read = () => readFileSync(join(directory, "metrics.jsonl"), "utf8");
  const epochs = [0, 1, 2].flatMap((seed) => [1, 2, 3].map((epoch) => ({ seed, epoch })));
  let expected: string | undefined;
  await fc.assert(
    fc.asyncProperty(
      fc.shuffledSubarray([0, 1, 2, 0, 1, 2, 0, 1, 2], { minLength: 9 }),
      async (order) => {
        const board = createRunBoard(directory, 3, {}, SILENT);
        const next = [1, 1, 1];
        for (const seed of order) {
          const epoch = next[seed] ?? 0;
          next[seed] = epoch + 1;
          board.onMessage(seed, { kind: "epoch", line: line(seed, epoch), seconds: 0.5 });
        }
        expect(Object.values(board.timings())).toEqual([1.5, 1.5, 1.5]);
        expect(await readTimings(directory)).toEqual(board.timings());
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
  rmSync(directory, { recursive: true });
});

test("the steps of all seeds add up, and a resumed seed keeps its lines", () => {
  const directory = mkdtempSync(join(tmpdir(), "espalier-board-"));
  const steps: unknown[] = [];
  const onStep = (...step: unknown[]) => void steps.push(step);
  const board = createRunBoard(directory, 2, {}, { ...SILENT, onStep });
  const phase = { phase: "sparse", recipe: "r", pattern: "4x1", seed: 1 } as const;
  board.onMessage(0, { kind: "resumed", lines: [line(1, 1)] });
  board.onMessage(0, { kind: "step", phase, done: 3, total: 10, loss: 1 });
  board.onMessage(1, { kind: "step", phase, done: 1, total: 10, loss: 2 });
  expect(steps).toEqual([
    ["sparse 4x1", 3, 20, 1],
    ["2 seeds", 4, 20, 1.5],
  ]);
  board.onMessage(0, { kind: "epoch", line: line(1, 2), seconds: 1 });
  expect(readFileSync(join(directory, "metrics.jsonl"), "utf8").split("\n")).toHaveLength(3);
  rmSync(directory, { recursive: true });
});
