/** Pruning in bands gives the bytes and the report of pruning whole layers. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { bandsOf } from "../../src/checkpoint/bands.ts";
import { writePruned } from "../../src/checkpoint/prune.ts";
import { tasksHere } from "../../src/checkpoint/pruning-tasks.ts";
import { surveyCheckpoint } from "../../src/checkpoint/survey.ts";
import { tensorFromFloat32, writeSafetensors } from "../../src/io/safetensors.ts";
import { PruningError } from "../../src/prune/layer.ts";
import { oneShotConfig } from "../../src/prune/once.ts";
import { patterns } from "../prune/models.ts";
import { memorySink, openBytes } from "./memory.ts";

const DTYPES = ["F32", "F16", "BF16", "F64"] as const;

/** Weights with many ties and zeros of both signs, and now and then one that is not finite. */
const value = fc.oneof(
  {
    weight: 400,
    arbitrary: fc.integer({ min: -6, max: 6 }).map((n) => (n === 0 ? -0 : Math.max(n, 0) / 16)),
  },
  { weight: 1, arbitrary: fc.constantFrom(Number.NaN, Infinity) },
);

const shapes = fc.oneof(
  fc.tuple(fc.integer({ min: 1, max: 19 }), fc.constantFrom(4, 8, 12)),
  fc.constant([8, 4, 3]),
  fc.constant([12, 8, 1, 2]),
);

const tensor = fc.record({ shape: shapes, dtype: fc.constantFrom(...DTYPES) }).chain((facts) => {
  const count = facts.shape.reduce((product, extent) => product * extent, 1);
  return fc
    .array(value, { minLength: count, maxLength: count })
    .map((values) => tensorFromFloat32(facts.dtype, facts.shape, Float32Array.from(values)));
});

const checkpoints = fc
  .array(tensor, { minLength: 1, maxLength: 3 })
  .map((tensors) =>
    writeSafetensors(new Map(tensors.map((one, i) => [`layer${i}.weight`, one] as const))),
  );

const pruners = fc.array(
  fc
    .record({
      pattern: fc.oneof(patterns, fc.constant({ kind: "block", height: 3, width: 1 } as const)),
      targetSparsity: fc.constantFrom(0, 0.2, 0.37, 0.5),
      scope: fc.constantFrom("global" as const, "global" as const, "local" as const),
      scoreReduction: fc.constantFrom("sum" as const, "mean" as const, "max" as const),
      minSparsityRatioPerOp: fc.constantFrom(0, 0, 0.2),
    })
    .map(({ pattern, targetSparsity, ...others }) => {
      const most = pattern.kind === "group" ? pattern.prune / pattern.of : 1;
      return oneShotConfig({ ...others, pattern, targetSparsity: targetSparsity * most });
    }),
  { minLength: 1, maxLength: 2 },
);

type Outcome = { readonly report: unknown; readonly files: unknown } | { readonly error: string };

async function pruned(
  bytes: Uint8Array,
  configs: readonly ReturnType<typeof oneShotConfig>[],
  bandBytes: number | null,
): Promise<Outcome> {
  const checkpoint = openBytes(bytes);
  const inputs = { checkpoint, gradients: null };
  // If the compressed size is measured, layers stay whole.
  const tasks =
    bandBytes === null
      ? tasksHere({ ...inputs, compressedBytes: () => 0 })
      : tasksHere({ ...inputs, compressedBytes: null, bandBytes });
  const { sink, files } = memorySink();
  try {
    const report = await writePruned(
      {
        ...{ checkpoint, pruners: configs, profile: "strict", excludeHead: false, modules: null },
        ...{ gradients: null, compressedBytes: null, tasks, turn: async () => {} },
      },
      sink,
    );
    const layers = report.layers.map((layer) => ({ ...layer, bytes: layer.bytes.packed }));
    return { report: { ...report, layers, bytes: report.bytes.packed }, files: [...files] };
  } catch (error) {
    if (error instanceof PruningError) return { error: error.message };
    throw error;
  }
}

test("bands of any size give the bytes, the report and the errors of whole layers", async () => {
  let divided = 0;
  await fc.assert(
    fc.asyncProperty(checkpoints, pruners, fc.integer({ min: 1, max: 400 }), async (...one) => {
      const [bytes, configs, bandBytes] = one;
      const whole = await pruned(bytes, configs, null);
      expect(await pruned(bytes, configs, bandBytes)).toEqual(whole);
      divided += Number("report" in whole);
    }),
  );
  expect(divided).toBeGreaterThan(20);
});

test("bands have all rows in order, in whole rows of blocks", () => {
  const bytes = writeSafetensors(
    new Map([["fc.weight", tensorFromFloat32("F32", [22, 8], new Float32Array(176))]]),
  );
  const checkpoint = openBytes(bytes);
  const [source] = surveyCheckpoint(checkpoint);
  if (source === undefined) throw new Error("expected a tensor");
  const layer = {
    ...({ name: "fc", tensor: "fc.weight", kind: "linear", shape: [22, 8] } as const),
    ...{ offset: 0, inputsFirst: false, source },
  };
  const config = (pattern: string) => oneShotConfig({ pattern, targetSparsity: 0.5 });
  const rowsOf = (names: readonly string[], bandBytes: number): readonly unknown[] | undefined =>
    bandsOf(checkpoint, layer, names.map(config), [], bandBytes)?.map(({ shape, source: own }) => [
      shape[0],
      (own.entry.begin - source.entry.begin) / 32,
      (own.entry.end - own.entry.begin) / 32,
    ]);
  expect(rowsOf(["4x1"], 300)).toEqual([
    [8, 0, 8],
    [8, 8, 8],
    [6, 16, 6],
  ]);
  expect(rowsOf(["4x1", "3x1", "2:4"], 1)).toEqual([
    [12, 0, 12],
    [10, 12, 10],
  ]);
  expect(rowsOf(["2:4"], 1e6)).toEqual([[22, 0, 22]]);
  expect(rowsOf(["channelx1"], 300)).toBeUndefined();
});
