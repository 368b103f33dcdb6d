import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readSafetensorsOrThrow, writeSafetensors } from "../../src/io/safetensors.ts";
import { espalier, temporaryDirectory } from "./fixtures.ts";

const GOLDEN = join(import.meta.dirname, "../golden");
const root = temporaryDirectory();
let copies = 0;

/** What one vector is changed by. */
interface Alteration {
  readonly kind: string;
  /** A case directory or a table, below test/golden. */
  readonly vector: string;
  /** Changes the tensor of this name. */
  readonly tensor?: string;
  // biome-ignore lint/suspicious/noExplicitAny: the JSON of any family
  readonly json?: (json: any) => void;
  /** What the verdict then states. */
  readonly difference: Readonly<Record<string, unknown>>;
}

const QUERY = "bert.encoder.layer.0.attention.self.query";
const RECIPE = "pruning/4x1-snipmom-global-exp";
const JOINT = "joint/4x1-distil";
const MODEL = "model/bert-3labels-1layer";

// biome-ignore lint/suspicious/noExplicitAny: the JSON of a trajectory
const secondPrune = (json: any) => json.events.filter((event: any) => event.prune)[1].prune[0];

const ALTERATIONS: readonly Alteration[] = [
  {
    kind: "mask",
    vector: RECIPE,
    tensor: `mask/7/${QUERY}`,
    difference: { step: 7, layer: QUERY, quantity: "mask", index: 0, expected: 1, got: 0 },
  },
  {
    kind: "applied mask",
    vector: "pruning/progressive-4x1",
    tensor: `pmask/10/${QUERY}`,
    difference: { step: 10, layer: QUERY, quantity: "pmask", index: 0 },
  },
  {
    kind: "score",
    vector: RECIPE,
    tensor: `score/7/${QUERY}`,
    difference: { step: 7, layer: QUERY, quantity: "score", index: 0 },
  },
  {
    kind: "final weight",
    vector: RECIPE,
    tensor: `wT/${QUERY}`,
    difference: { step: null, layer: QUERY, quantity: "final weight", index: 0 },
  },
  {
    kind: "count",
    vector: RECIPE,
    json: (json) => {
      secondPrune(json).pattern_sparsity.zero_cnt += 1;
    },
    difference: { step: 7, layer: null, quantity: "pruner 0 pruned blocks", index: null },
  },
  {
    kind: "count of a layer",
    vector: RECIPE,
    json: (json) => {
      secondPrune(json).zeros[QUERY] += 1;
    },
    difference: { step: 7, layer: QUERY, quantity: "pruner 0 mask zeros", index: null },
  },
  {
    kind: "target ratio",
    vector: RECIPE,
    json: (json) => {
      secondPrune(json).target_ratio += 1e-9;
    },
    difference: { step: 7, layer: null, quantity: "pruner 0 target ratio", index: null },
  },
  {
    kind: "sparsity statistic of a step",
    vector: RECIPE,
    json: (json) => {
      json.events.findLast(
        (event: object) => "get_sparsity_ratio" in event,
      ).get_sparsity_ratio[1] += 1e-12;
    },
    difference: { layer: null, quantity: "sparsity ratios", index: 1 },
  },
  {
    kind: "sparsity of blocks",
    vector: RECIPE,
    json: (json) => {
      secondPrune(json).pattern_sparsity.sparsity_ratio += 1e-12;
    },
    difference: { step: 7, quantity: "pruner 0 block sparsity", index: null },
  },
  {
    kind: "interpolated sparsity",
    vector: "pruning/progressive-4x1",
    json: (json) => {
      secondPrune(json).progressive_sparsity += 1e-12;
    },
    difference: { quantity: "pruner 0 interpolated sparsity", index: null },
  },
  {
    kind: "sparsity at the end",
    vector: RECIPE,
    json: (json) => {
      json.final.current_sparsity_ratio[0] += 1e-12;
    },
    difference: { step: null, quantity: "final sparsity of pruner", index: 0 },
  },
  {
    kind: "zero weights",
    vector: RECIPE,
    json: (json) => {
      json.events[9].w_zeros[0] += 1;
    },
    difference: { step: 9, layer: QUERY, quantity: "zero weights", index: null },
  },
  {
    kind: "plan",
    vector: RECIPE,
    json: (json) => {
      json.pruners[0].total_prune_cnt += 1;
    },
    difference: { step: null, quantity: "pruner 0 prune steps planned", expected: 5, got: 4 },
  },
  {
    kind: "resolved setting",
    vector: RECIPE,
    json: (json) => {
      json.pruners[0].resolved_config.pruning_frequency += 1;
    },
    difference: { quantity: "pruners[0].pruning_frequency", expected: "4", got: "3" },
  },
  {
    kind: "block size",
    vector: RECIPE,
    json: (json) => {
      json.pruners[0].block_size[QUERY][0] = 2;
    },
    difference: { layer: QUERY, quantity: "block size", index: 0, expected: 2, got: 4 },
  },
  {
    kind: "refusal",
    vector: RECIPE,
    json: (json) => {
      json.error = { type: "E", message: "m", step: null, hook: "h", where: [] };
    },
    difference: {
      step: null,
      quantity: "preparation",
      expected: "a refusal (INC: m)",
      got: "none",
    },
  },
  {
    kind: "row of a schedule",
    vector: "pruning_tables/schedule.json",
    json: (json) => {
      json.plans[0].total_prune_cnt += 1;
    },
    difference: { name: "schedule/plans[0]", quantity: "[planned, done before]", index: 0 },
  },
  {
    kind: "row of a mask",
    vector: "pruning_tables/pattern_units.json",
    json: (json) => {
      const { data } = json.single_mask[0].mask;
      data[0] = 1 - data[0];
    },
    difference: { name: "pattern_units/single_mask[0]", quantity: "mask", index: 0 },
  },
  {
    kind: "row of a selection",
    vector: "pruning_tables/layer_selection.json",
    json: (json) => {
      json.rows[0].layers[1] = "other";
    },
    difference: { name: "layer_selection/rows[0]", quantity: "layer", index: 1, expected: "other" },
  },
  {
    kind: "mask of joint training",
    vector: JOINT,
    tensor: "mask/",
    difference: { quantity: "mask", index: 0 },
  },
  {
    kind: "loss of joint training",
    vector: JOINT,
    json: (json) => {
      json.events[3].loss *= 1.001;
    },
    difference: { step: 3, layer: null, quantity: "loss", index: null },
  },
  {
    kind: "gradient",
    vector: MODEL,
    tensor: "grad_ce/classifier.weight",
    difference: { step: null, layer: "classifier.weight", quantity: "grad_ce", index: 0 },
  },
  {
    kind: "exact mask",
    vector: "strict/ties-4x1-global",
    tensor: "mask/fc1",
    difference: { step: null, layer: "fc1", quantity: "mask", index: 0 },
  },
  {
    kind: "exact count",
    vector: "strict/1x1-global",
    json: (json) => {
      json.budgets[0].pruned += 1;
    },
    difference: { quantity: "budget 0 pruned blocks", expected: 97, got: 96 },
  },
  {
    kind: "exact score",
    vector: "strict/2of4-part",
    tensor: "score/fc2",
    difference: { layer: "fc2", quantity: "score", index: 0 },
  },
  {
    kind: "tie",
    vector: "strict/ties-1x1-local",
    json: (json) => {
      json.tied_blocks.fc1.pop();
    },
    difference: { layer: "fc1", quantity: "tied blocks length" },
  },
  {
    kind: "result",
    vector: "strict/1x1-local",
    json: (json) => {
      json.result = "acceptable";
    },
    difference: { quantity: "result", expected: "acceptable", got: "valid" },
  },
];

/** A directory with the altered vector alone. */
function alter({ vector, tensor, json }: Alteration): string {
  const directory = join(root, `golden-${copies++}`);
  const path = join(directory, vector);
  cpSync(join(GOLDEN, vector), path, { recursive: true });
  if (json !== undefined) {
    const file = vector.endsWith(".json") ? path : join(path, "case.json");
    const parsed = JSON.parse(readFileSync(file, "utf8"));
    json(parsed);
    writeFileSync(file, JSON.stringify(parsed));
  }
  if (tensor !== undefined) alterTensor(join(path, "tensors.safetensors"), tensor);
  return directory;
}

/** Changes the first entry of the first tensor whose name begins so. */
function alterTensor(file: string, prefix: string): void {
  const { tensors, metadata } = readSafetensorsOrThrow(new Uint8Array(readFileSync(file)));
  const name = [...tensors.keys()].find((key) => key.startsWith(prefix));
  const stored = name === undefined ? undefined : tensors.get(name);
  if (name === undefined || stored === undefined) throw new Error(`${file}: no ${prefix}`);
  const bytes = stored.bytes.slice();
  if (stored.dtype === "U8") bytes[0] = 1 - (bytes[0] as number);
  else new Float32Array(bytes.buffer)[0] += 0.25;
  writeFileSync(file, writeSafetensors(new Map(tensors).set(name, { ...stored, bytes }), metadata));
}

test.each(ALTERATIONS)("an altered $kind ($vector) exits 1 and says where", async (alteration) => {
  const { code, out } = await espalier(["conform", alter(alteration), "--json"]);
  expect(code).toBe(1);
  const failed = out
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line))
    .filter(({ event, passed }) => event === "verdict" && !passed);
  expect(failed).toHaveLength(1);
  expect(failed[0]).toMatchObject({ status: "failed", ...alteration.difference });
  for (const field of ["step", "layer", "quantity", "index", "expected", "got", "within"])
    expect(failed[0]).toHaveProperty(field);
});

test("all families in one form of text, counted by family", async () => {
  const directory = alter(ALTERATIONS[0] as Alteration);
  for (const name of ["strict/1x1-global", "pruning_tables/config_errors.json"])
    cpSync(join(GOLDEN, name), join(directory, name), { recursive: true });
  const { code, out } = await espalier([
    "conform",
    directory,
    "--only",
    "recipe|4x1|strict|\\[5\\d",
  ]);
  expect(code).toBe(1);
  expect(out).toBe(
    [
      `FAIL pruning 4x1-snipmom-global-exp: step 7, layer ${QUERY}, mask[0]: expected 1, got 0`,
      "pruning: 0 passed, 1 failed",
      "pruning_tables: 10 passed, 0 failed, 2 of them acceptable",
      "strict: 1 passed, 0 failed",
      "11 passed, 1 failed",
      "",
    ].join("\n"),
  );
});

/** A vector as the manifest lists it. */
interface Listed {
  readonly family: string;
  readonly slug: string;
  readonly result: string;
}

test("every verdict is on a vector of the manifest, and acceptable only where that says so", async () => {
  const { vectors } = JSON.parse(readFileSync(join(GOLDEN, "manifest.json"), "utf8")) as {
    readonly vectors: readonly Listed[];
  };
  const listed = new Map(
    vectors
      .filter(({ family }) => ["strict", "pruning_tables"].includes(family))
      .map(({ family, slug, result }) => [`${family}/${slug}`, result]),
  );
  const families = "^(strict|pruning_tables)/";
  const { out } = await espalier(["conform", GOLDEN, "--only", families, "--json"]);
  const got = new Map(
    out
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line))
      .filter(({ event }) => event === "verdict")
      .map(({ family, name, status }) => [`${family}/${name}`, status]),
  );
  expect([...got.keys()].sort()).toEqual([...listed.keys()].sort());
  const acceptable = [...got].filter(([, status]) => status === "acceptable").map(([name]) => name);
  expect(acceptable.length).toBeGreaterThan(3);
  expect(acceptable.filter((name) => listed.get(name) !== "acceptable")).toEqual([]);
});
