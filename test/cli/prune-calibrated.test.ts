/** `espalier prune --statistics`: layers pruned from statistics of their inputs. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import type { CalibratedOptions } from "../../src/calibrate/options.ts";
import { pruneCalibrated } from "../../src/calibrate/prune.ts";
import type { LayerStatistics } from "../../src/calibrate/statistics.ts";
import {
  readSafetensorsOrThrow,
  type StoredTensor,
  tensorFromFloat32,
  toFloat32,
  writeSafetensors,
} from "../../src/io/safetensors.ts";
import { seededLayer } from "../calibrate/layers.ts";
import { espalier, temporaryDirectory } from "./fixtures.ts";

const root = temporaryDirectory();
const path = (name: string): string => join(root, name);
const MODEL = path("model.safetensors");
const STATISTICS = path("statistics.safetensors");

/** Layers with their statistics. The last is stored [in, out]. */
const SEEDED = {
  "encoder.0.query": seededLayer(1, 8, 16, 40),
  "encoder.1.query": seededLayer(2, 4, 16, 40),
  "encoder.2.turned": seededLayer(3, 8, 8, 40),
} as const;
type Name = keyof typeof SEEDED;
const NAMES = Object.keys(SEEDED) as readonly Name[];
const DTYPES = {
  "encoder.0.query": "F32",
  "encoder.1.query": "BF16",
  "encoder.2.turned": "F32",
} as const;
const AXES = ["--axes", "turned=in,out"];

function weight(name: Name): StoredTensor {
  const { shape, data } = SEEDED[name].layer;
  return tensorFromFloat32(DTYPES[name], shape, data);
}

const WEIGHTS: ReadonlyMap<string, StoredTensor> = new Map([
  ...NAMES.map((name) => [`${name}.weight`, weight(name)] as const),
  ["encoder.0.query.bias", tensorFromFloat32("F32", [8], new Float32Array(8).fill(1))],
  ["encoder.conv.weight", tensorFromFloat32("F32", [2, 3, 3], new Float32Array(18).fill(1))],
  ["classifier.weight", tensorFromFloat32("F32", [2, 8], new Float32Array(16).fill(3))],
]);

function partsOf(name: string, statistics: LayerStatistics): [string, StoredTensor][] {
  const { columns, samples, hessian, squaredNorms, sums, variances } = statistics;
  const tensor = (shape: readonly number[], values: Float32Array | null) =>
    tensorFromFloat32("F32", shape, values ?? new Float32Array());
  return [
    [`H/${name}`, tensor([columns, columns], hessian)],
    [`scaler_row/${name}`, tensor([columns], squaredNorms)],
    [`sum_metric_row/${name}`, tensor([columns], sums)],
    [`var/${name}`, tensor([columns], variances)],
    [
      `samples/${name}`,
      { dtype: "I64", shape: [], bytes: Uint8Array.of(samples, ...Array(7).fill(0)) },
    ],
  ];
}

function allParts(): Map<string, StoredTensor> {
  return new Map(NAMES.flatMap((name) => partsOf(name, SEEDED[name].statistics)));
}

beforeAll(() => {
  writeFileSync(MODEL, writeSafetensors(WEIGHTS, { format: "pt" }));
  writeFileSync(STATISTICS, writeSafetensors(allParts()));
});

function prune(out: string, options: readonly string[], statistics = STATISTICS) {
  const argv = ["prune", MODEL, ...AXES, "--statistics", statistics, "--out", path(out)];
  return espalier([...argv, ...options]);
}

function read(file: string) {
  return readSafetensorsOrThrow(new Uint8Array(readFileSync(path(file))));
}

/** Rows of these small layers have fewer candidates than DSnoT's usual number of swaps. */
const CASES: readonly (readonly [string, readonly string[], CalibratedOptions])[] = (
  [
    ["wanda", {}],
    ["sparsegpt", {}],
    ["dsnot", { maxCycles: 2 }],
  ] as const
).flatMap(([criterion, own]) =>
  (["strict", "inc"] as const).flatMap((profile) => {
    const shared = ["--criterion", criterion, "--profile", profile];
    const argv = "maxCycles" in own ? [...shared, "--max-cycles", "2"] : shared;
    const options = { criterion, profile, ...own } as CalibratedOptions;
    return [
      [
        `${criterion} 2:4 ${profile}`,
        [...argv, "--pattern", "2:4"],
        { ...options, pattern: "2:4" },
      ] as const,
      [
        `${criterion} 1x1 ${profile}`,
        [...argv, "--pattern", "1x1", "--sparsity", "0.5"],
        { ...options, pattern: "1x1", targetSparsity: 0.5 },
      ] as const,
    ];
  }),
);

describe("layer by layer the result of pruneCalibrated", () => {
  test.each(CASES)("%s", async (name, argv, options) => {
    const file = `${name.replaceAll(/[ :]/g, "-")}.safetensors`;
    const { code, err } = await prune(file, argv);
    expect(err).not.toContain("expected");
    expect(code).toBe(0);
    const { tensors, metadata } = read(file);
    expect(metadata).toEqual({ format: "pt" });
    for (const [tensor, original] of WEIGHTS) {
      const layer = NAMES.find((one) => `${one}.weight` === tensor);
      if (layer === undefined) {
        expect(tensors.get(tensor)).toEqual(original);
        continue;
      }
      const data = toFloat32(original);
      const inputsFirst = layer === "encoder.2.turned";
      const statistics = { ...SEEDED[layer].statistics, profile: options.profile ?? "strict" };
      const made = pruneCalibrated(
        { shape: original.shape, data, inputsFirst },
        statistics,
        options,
      );
      const wanted = tensorFromFloat32(DTYPES[layer], original.shape, made.data);
      expect(tensors.get(tensor)).toEqual(wanted);
      expect(made.mask).toContain(0);
    }
    expect(readdirSync(root).filter((one) => one.endsWith(".tmp"))).toEqual([]);
  });

  test.each(["wanda", "sparsegpt", "dsnot"])("verify proves 2:4 of %s", async (criterion) => {
    const file = `proved-${criterion}.safetensors`;
    const { out } = await prune(file, ["--criterion", criterion, "--pattern", "2:4"]);
    expect(out).toContain("2:4: 64 of 64 groups (1.0000)\n");
    expect(out).toContain("encoder.conv.weight");
    expect(out.includes("sparsegpt: error ")).toBe(criterion === "sparsegpt");
    const argv = ["verify", path(file), "--pattern", "2:4", "--layers", "query|turned", ...AXES];
    const verified = await espalier(argv);
    expect(verified.out).toContain("passed");
    expect(verified.code).toBe(0);
  });
});

test("--damping, --layers and statistics of other layers, in JSON", async () => {
  const options = ["--criterion", "sparsegpt", "--pattern", "1x1", "--sparsity", "0.25"];
  const argv = [...options, "--damping", "0.5", "--layers", "0\\.query", "--json"];
  const { code, out } = await prune("damped.safetensors", argv);
  expect(code).toBe(0);
  const { layer, statistics } = SEEDED["encoder.0.query"];
  const made = pruneCalibrated(layer, statistics, {
    criterion: "sparsegpt",
    targetSparsity: 0.25,
    damping: 0.5,
  });
  expect(JSON.parse(out)).toMatchObject({
    criterion: "sparsegpt",
    errors: { "encoder.0.query": made.error },
    layers: [{ name: "encoder.0.query", zeros: 32, elements: 128 }],
    pruners: [{ pattern: "1x1", prunedBlocks: 32, blocks: 128 }],
  });
  const { tensors } = read("damped.safetensors");
  expect(toFloat32(tensors.get("encoder.0.query.weight") as StoredTensor)).toEqual(made.data);
  expect(tensors.get("encoder.1.query.weight")).toEqual(WEIGHTS.get("encoder.1.query.weight"));
});

describe("refused by name, with nothing written", () => {
  async function refused(options: readonly string[], ...messages: readonly string[]) {
    const { code, err } = await prune("refused", options, path("altered.safetensors"));
    for (const message of messages) expect(err).toContain(message);
    expect(code).toBe(2);
    expect(existsSync(path("refused"))).toBe(false);
    expect(readdirSync(root).filter((one) => one.endsWith(".tmp"))).toEqual([]);
  }

  function alter(change: (parts: Map<string, StoredTensor>) => void): void {
    const parts = allParts();
    change(parts);
    writeFileSync(path("altered.safetensors"), writeSafetensors(parts));
  }

  const floats = (shape: readonly number[], values: Float32Array): StoredTensor =>
    tensorFromFloat32("F32", shape, values);
  const WANDA = ["--criterion", "wanda", "--pattern", "2:4"];
  const SPARSEGPT = ["--criterion", "sparsegpt", "--pattern", "2:4"];

  test("missing statistics of all layers, other shapes and unknown names at once", async () => {
    alter((parts) => {
      parts.delete("scaler_row/encoder.0.query");
      parts.delete("samples/encoder.1.query");
      parts.set("scaler_row/encoder.2.turned", floats([7], new Float32Array(7)));
      parts.set("scaler_row/decoder", floats([7], new Float32Array(7)));
      parts.set("norm/encoder.0.query", floats([7], new Float32Array(7)));
    });
    await refused(
      WANDA,
      "encoder.0.query: expected scaler_row/encoder.0.query, samples/encoder.0.query in",
      "got no scaler_row/encoder.0.query\n",
      "got no samples/encoder.1.query\n",
      "scaler_row/encoder.2.turned: expected floats [8], got F32 [7]",
      "got scaler_row/decoder\n",
      "got norm/encoder.0.query\n",
    );
  });

  test.each([
    ["scaler_row", 16, Number.NaN, "expected finite numbers, got NaN at index 3", WANDA],
    ["scaler_row", 16, -1, "expected numbers of at least 0, got -1 at index 3", WANDA],
    ["H", 256, Number.POSITIVE_INFINITY, "expected finite numbers, got Infinity", SPARSEGPT],
  ] as const)("%s of %i numbers with %f", async (part, length, value, message, options) => {
    const shape = part === "H" ? [16, 16] : [length];
    const values = new Float32Array(length).fill(1).fill(value, 3, 4);
    alter((parts) => parts.set(`${part}/encoder.1.query`, floats(shape, values)));
    await refused(options, `${part}/encoder.1.query: ${message}`);
  });

  test("a Hessian that is not positive definite, after other layers", async () => {
    const values = Float32Array.from({ length: 256 }, (_, i) => (i % 17 === 0 ? 1 : 2));
    alter((parts) => parts.set("H/encoder.1.query", floats([16, 16], values)));
    const message = "expected a positive definite matrix, got the pivot";
    await refused(SPARSEGPT, `encoder.1.query: statistics.hessian: ${message}`);
  });

  test("a negative diagonal, and a count that is none", async () => {
    const values = new Float32Array(256).fill(-1);
    alter((parts) => parts.set("H/encoder.1.query", floats([16, 16], values)));
    await refused(SPARSEGPT, "H/encoder.1.query: expected a diagonal of at least 0, got -1");
    alter((parts) => parts.set("samples/encoder.1.query", floats([1], Float32Array.of(0.5))));
    await refused(WANDA, "samples/encoder.1.query: expected an integer of at least 1, got 0.5");
  });

  test("columns that the pattern does not divide", async () => {
    alter(() => {});
    const options = ["--criterion", "wanda", "--pattern", "1:3"];
    await refused(options, "encoder.0.query: layer: expected columns that 1:3 divides, got 16");
  });

  test.each([
    [["--criterion", "wanda"], "--pattern: expected 1x1 or N:M, such as 2:4, got none"],
    [["--criterion", "wanda", "--pattern", "4x1"], "--pattern: expected 1x1 or N:M"],
    [["--criterion", "wanda", "--pattern", "1x1"], "--sparsity: expected a number at least 0"],
    [[...WANDA, "--sparsity", "0.6"], "--sparsity: expected at most 0.5 for 2:4, got 0.6"],
    [["--criterion", "wanda", "--pattern", "4:4"], "--pattern: "],
    [[...WANDA, "--profile", "inc", "--sparsity", "0.4"], "--sparsity: expected 0.5, as inc"],
    [[...WANDA, "--damping", "0.1"], "--damping: expected the criterion sparsegpt with it"],
    [[...WANDA, "--max-cycles", "3"], "--max-cycles: expected the criterion dsnot with it"],
    [[...WANDA, "--scope", "local"], "--scope: expected no such option with the criterion wanda"],
    [[...WANDA, "--gzip"], "--gzip: expected no such option with the criterion wanda"],
    [[...WANDA, "--threads", "2"], "--threads: expected no such option"],
    [["--pattern", "2:4", "--sparsity", "0.5"], "--statistics: expected a criterion of sparsegpt"],
    [["--pattern", "mha", "--sparsity", "0.5"], "--statistics: expected no such option with"],
    [[...WANDA, "--layers", "conv"], "expected a layer to prune, got none"],
  ])("%j", async (options, message) => {
    alter(() => {});
    await refused(options, message);
  });

  test("no statistics at all", async () => {
    const argv = ["prune", MODEL, ...WANDA, "--out", path("refused")];
    const { code, err } = await espalier(argv);
    expect(code).toBe(2);
    expect(err).toContain("--statistics: expected a file of statistics for wanda, got none");
  });

  test("a signal leaves nothing", async () => {
    const controller = new AbortController();
    controller.abort(new Error("stopped"));
    const argv = ["prune", MODEL, ...AXES, "--statistics", STATISTICS, "--out", path("refused")];
    const { code } = await espalier([...argv, ...WANDA], controller.signal);
    expect(code).not.toBe(0);
    expect(existsSync(path("refused"))).toBe(false);
  });
});
