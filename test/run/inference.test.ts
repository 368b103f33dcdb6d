import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { InputError } from "../../src/core/either.ts";
import { createTokenizer, encode } from "../../src/io/tokenizer.ts";
import { computeLogits, firstBatchTokens, inferInWindows } from "../../src/run/inference.ts";
import { VOCABULARY } from "../cli/fixtures.ts";

const tokenizer = createTokenizer(VOCABULARY);

/** A model whose logits are the number of tokens and the sum of their ids. It keeps the lengths of its batches. */
function countingModel() {
  const batches: number[][] = [];
  const classifier = {
    config: { labels: 2, padTokenId: 0 },
    logits: (batch: {
      batch: number;
      positions: number;
      inputIds: Int32Array;
      attentionMask: Uint8Array;
    }) => {
      const lengths: number[] = [];
      const logits = new Float32Array(batch.batch * 2);
      for (let row = 0; row < batch.batch; row++) {
        const own = (values: Int32Array | Uint8Array): number[] => [
          ...values.subarray(row * batch.positions, (row + 1) * batch.positions),
        ];
        const length = own(batch.attentionMask).reduce((sum, each) => sum + each, 0);
        lengths.push(length);
        logits.set([length, own(batch.inputIds).reduce((sum, id) => sum + id, 0)], row * 2);
      }
      batches.push(lengths);
      return logits;
    },
  };
  return {
    model: { classifier, tokenizer } as unknown as Parameters<typeof computeLogits>[0],
    batches,
  };
}

const WORDS = ["the", "tree", "wall", "old", "green", "unknown"];
const row = fc.record({
  text: fc.array(fc.constantFrom(...WORDS), { maxLength: 12 }).map((words) => words.join(" ")),
  textPair: fc.option(fc.constantFrom(...WORDS)),
});
const settings = { maxLength: 10, turn: async () => {} };
const placeOf = (_: object, index: number) => `row ${index + 1}`;

function expectedLogits(rows: readonly { text: string; textPair: string | null }[]): number[] {
  return rows.flatMap(({ text, textPair }) => {
    const { inputIds } = encode(tokenizer, text, textPair ?? undefined, 10);
    return [inputIds.length, inputIds.reduce((sum, id) => sum + id, 0)];
  });
}

test("logits are in the rows' order, and batches have rows of similar length", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(row), fc.integer({ min: 1, max: 9 }), async (rows, batchSize) => {
      const { model, batches } = countingModel();
      const logits = await computeLogits(model, rows, { ...settings, batchSize }, placeOf);
      expect([...logits]).toEqual(expectedLogits(rows));
      const lengths = batches.flat();
      expect(lengths).toEqual(lengths.toSorted((a, b) => a - b));
      expect(batches.every((batch) => batch.length <= batchSize)).toBe(true);
    }),
  );
});

test("windows give all rows once, in order, whatever the pieces", async () => {
  const pieces = fc.array(fc.array(row, { maxLength: 150 }), { maxLength: 6 });
  await fc.assert(
    fc.asyncProperty(pieces, fc.integer({ min: 1, max: 3 }), async (given, batchSize) => {
      const { model } = countingModel();
      const [seen, logits, sizes]: [object[], number[], number[]] = [[], [], []];
      let done = 0;
      const onBatch = (rows: number): void => {
        done += rows;
      };
      await inferInWindows(
        model,
        async (onRows) => {
          for (const rows of given) await onRows(rows);
        },
        { ...settings, batchSize, onBatch },
        placeOf,
        (rows, own) => {
          seen.push(...rows);
          logits.push(...own);
          sizes.push(rows.length);
        },
      );
      expect(seen).toEqual(given.flat());
      expect(logits).toEqual(expectedLogits(given.flat()));
      expect(done).toBe(given.flat().length);
      expect(sizes.slice(0, -1).every((size) => size === 64 * batchSize)).toBe(true);
    }),
    { numRuns: 30 },
  );
});

describe("computeLogits", () => {
  test("stops if the turn throws, and names a row with a logit that is not finite", async () => {
    const { model, batches } = countingModel();
    const rows = Array.from({ length: 6 }, () => ({ text: "tree", textPair: null }));
    let turns = 0;
    const stopping = async (): Promise<void> => {
      if (++turns > 2) throw new Error("stop");
    };
    const stopped = computeLogits(
      model,
      rows,
      { ...settings, batchSize: 2, turn: stopping },
      placeOf,
    );
    await expect(stopped).rejects.toThrow("stop");
    expect(batches).toHaveLength(2);
    const wrong = {
      ...model,
      classifier: { ...model.classifier, logits: () => Float32Array.of(0, 1, Number.NaN, 1) },
    };
    const failing = computeLogits(wrong, rows.slice(0, 2), { ...settings, batchSize: 2 }, placeOf);
    await expect(failing).rejects.toThrow(InputError);
    await expect(failing).rejects.toThrow("row 2: expected logits that are finite, got NaN");
  });
});

test("the tokens of the first batch are counted up to 128", () => {
  const rows = [
    { text: "the tree", textPair: null },
    { text: "a", textPair: "wall" },
    { text: "tree ".repeat(200), textPair: null },
  ];
  expect(firstBatchTokens(tokenizer, rows, { batchSize: 2, maxLength: 32 })).toBe(4 + 5);
  expect(firstBatchTokens(tokenizer, rows, { batchSize: 3, maxLength: 200 })).toBe(128);
});
