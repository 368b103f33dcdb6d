import { describe, expect, test } from "vitest";
import type { LayerKind, LayerRecord } from "../../src/prune/layer.ts";
import {
  compileNamePattern,
  findClassifierHead,
  incSelection,
  selectLayers,
} from "../../src/prune/select.ts";

function records(...names: readonly (string | [string, LayerKind])[]): LayerRecord[] {
  return names.map((entry) => {
    const [name, kind] = typeof entry === "string" ? ([entry, "linear"] as const) : entry;
    return { name, kind, shape: [], data: new Float32Array(0) };
  });
}

function select(
  layers: readonly LayerRecord[],
  fields: { opNames?: string[]; excludedOpNames?: string[]; pruningOpTypes?: string[] } = {},
  excludeHead = true,
): string[] {
  const config = {
    opNames: [],
    excludedOpNames: [],
    pruningOpTypes: ["Conv", "Linear"],
    ...fields,
  };
  return selectLayers(config, layers, excludeHead, incSelection).selected.map(({ name }) => name);
}

const encoder = records(
  "0.query",
  "0.key",
  "0.output",
  "1.query",
  "1.key",
  "pre_classifier",
  "classifier",
);

test("layers follow the order of the expressions, each once", () => {
  expect(select(encoder, { opNames: ["key", "0"] })).toEqual([
    "0.key",
    "1.key",
    "0.query",
    "0.output",
  ]);
});

test("the head's name is an expression too", () => {
  expect(select(encoder)).toEqual(["0.query", "0.key", "0.output", "1.query", "1.key"]);
  expect(select(encoder, {}, false)).toEqual(encoder.map(({ name }) => name));
});

test("exclusion is by search, not by whole names", () => {
  expect(select(encoder, { excludedOpNames: ["^0", "ey$"] })).toEqual(["1.query"]);
});

test("types are parts of PyTorch's class names", () => {
  const layers = records(["a", "conv1d"], ["b", "conv2d"], ["e", "embedding"], "c", ["x", "other"]);
  expect(select(layers)).toEqual(["a", "b", "c"]);
  expect(select(layers, { pruningOpTypes: ["Conv2"] })).toEqual(["b"]);
  expect(select(layers, { pruningOpTypes: ["Embed"] })).toEqual(["e"]);
  expect(select(layers, { pruningOpTypes: ["conv"] })).toEqual([]);
  expect(select(layers, { pruningOpTypes: [""] })).toEqual(["a", "b", "e", "c"]);
});

describe("the classifier head", () => {
  test("is the last linear or conv2d layer that nothing follows", () => {
    expect(findClassifierHead(encoder)).toBe("classifier");
    expect(findClassifierHead(records("a", ["b", "conv2d"]))).toBe("b");
    expect(findClassifierHead(records("a", ["b", "conv1d"]))).toBeUndefined();
    expect(findClassifierHead(records("a", ["tanh", "other"]))).toBeUndefined();
    expect(findClassifierHead([])).toBeUndefined();
  });
});

test("reasons for what is skipped", () => {
  const { skipped } = selectLayers(
    {
      opNames: ["query", "classifier", "emb"],
      excludedOpNames: ["^1"],
      pruningOpTypes: ["Linear"],
    },
    [...records(["emb", "embedding"]), ...encoder],
    true,
    incSelection,
  );
  expect(Object.fromEntries(skipped.map(({ name, reason }) => [name, reason]))).toEqual({
    emb: "Embedding is not among pruning_op_types",
    "0.key": "matches none of op_names",
    "0.output": "matches none of op_names",
    "1.query": "excluded by ^1",
    "1.key": "matches none of op_names",
    pre_classifier: "matches the classifier head classifier",
    classifier: "matches the classifier head classifier",
  });
});

test("expressions as Python writes them", () => {
  expect(compileNamePattern("(?i)QUERY").test("0.query")).toBe(true);
  expect(compileNamePattern("\\A0\\.").test("10.")).toBe(false);
  expect(compileNamePattern("(?P<layer>\\d+)\\.key\\Z").exec("11.key")?.groups?.layer).toBe("11");
  const matched = (source: string): readonly string[] => {
    const names = ["layer.0.query", "layer.10.query", "layer.{,1}", "layer.]"];
    return names.filter((name) => compileNamePattern(source).test(name));
  };
  expect(matched("^layer\\.\\d{,1}\\.query")).toEqual(["layer.0.query"]);
  expect(matched("^layer\\.\\d{,}\\.query")).toEqual(["layer.0.query", "layer.10.query"]);
  expect(matched("\\.\\{,1}")).toEqual(["layer.{,1}"]);
  expect(matched("\\.[{,1}]{,4}$")).toEqual(["layer.{,1}"]);
  expect(matched("\\.[]x]$")).toEqual(["layer.]"]);
  expect(matched("\\.[^]{x]")).toEqual(["layer.0.query", "layer.10.query"]);
  for (const source of ["[", "[]", "a++"])
    expect(() => compileNamePattern(source)).toThrow(SyntaxError);
});
