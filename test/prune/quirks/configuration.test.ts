/** Keys that INC drops, overrides or ignores, and how it selects layers. */

import { describe, expect, test } from "vitest";
import { isLeft, isRight } from "../../../src/core/either.ts";
import {
  formatProblem,
  type LayerRecord,
  type Profile,
  type PrunerConfig,
  parsePruningConfig,
  parsePruningConfigOrThrow,
} from "../../../src/index.ts";
import { layerOf, masksOf, matrix, prunerOf, run, zerosOf } from "./run.ts";

function firstPruner(input: unknown, profile: Profile): PrunerConfig {
  const [pruner] = parsePruningConfigOrThrow(input, { profile }).pruners;
  if (pruner === undefined) throw new Error("expected a pruner");
  return pruner;
}

function problemsOf(input: unknown, profile: Profile): readonly string[] {
  const result = parsePruningConfig(input, { profile });
  return isLeft(result) ? result.left.map(formatProblem) : [];
}

test("inc overwrites a reg_coeff outside of parameters with 0; strict takes it", () => {
  for (const keys of [
    { reg_type: "group_lasso", reg_coeff: 0.125 },
    { pruning_configs: [{ reg_type: "group_lasso", reg_coeff: 0.125 }] },
  ]) {
    expect(firstPruner(keys, "inc").groupLasso).toBe(0);
    expect(firstPruner(keys, "strict").groupLasso).toBe(0.125);
  }
  const inside = { reg_type: "group_lasso", reg_coeff: 1, parameters: { reg_coeff: 0.5 } };
  expect(firstPruner(inside, "inc").groupLasso).toBe(0.5);
  expect(firstPruner(inside, "strict").groupLasso).toBe(0.5);
});

describe("lock_init_sparsity", () => {
  const locks = (input: unknown, profile: Profile) => firstPruner(input, profile).lockInitSparsity;

  test("at the top level inc hands it down to no pruner; strict does", () => {
    const keys = { lock_init_sparsity: true, pruning_configs: [{}] };
    expect(locks(keys, "inc")).toBe(false);
    expect(locks(keys, "strict")).toBe(true);
    for (const honoured of [{ ...keys, pruning_configs: [] }, [{ lock_init_sparsity: true }]])
      expect(locks(honoured, "inc")).toBe(true);
  });

  test("starts from the zeros found, in both profiles", () => {
    const keys = {
      pattern: "1x1",
      pruning_type: "magnitude",
      sparsity_decay_type: "linear",
      target_sparsity: 0.75,
      end_step: 2,
      pruning_configs: [{ lock_init_sparsity: true }],
    };
    for (const profile of ["inc", "strict"] as const) {
      const steps = run(keys, [matrix("a", [0, 0, 1, 2, 3, 4, 5, 6])], { profile, steps: 3 });
      expect(steps.map(({ begun }) => prunerOf(begun).lastEvent?.targetRatio)).toEqual([
        0.25, 0.5, 0.75,
      ]);
      expect(zerosOf(steps[2]?.layers)).toEqual([6]);
    }
  });
});

test("resume_from_pruned_checkpoint does nothing under inc; strict refuses it", () => {
  for (const keys of [
    { resume_from_pruned_checkpoint: true },
    { pruning_configs: [{ resume_from_pruned_checkpoint: true }] },
  ]) {
    expect(firstPruner(keys, "inc")).toEqual(firstPruner({}, "inc"));
    expect(problemsOf(keys, "strict").join()).toMatch(
      /resume_from_pruned_checkpoint: expected false: pruning resumes from a saved state, got true/,
    );
  }
  expect(problemsOf({ resume_from_pruned_checkpoint: false }, "strict")).toEqual([]);
});

describe("selection", () => {
  const named = (...names: string[]): LayerRecord[] =>
    names.map((name) => matrix(name, [1, 2], [3, 4]));
  const selected = (layers: LayerRecord[], profile: Profile, fields: object = {}): string[] => {
    const keys = { pattern: "1x1", pruning_type: "magnitude", target_sparsity: 0.5, ...fields };
    const [step] = run(keys, layers, { profile, steps: 1, excludeHead: true });
    return prunerOf(step?.begun).layers.map(({ name }) => name);
  };

  test("inc takes the head's name for an expression, which other layers match; strict leaves out the head alone", () => {
    const layers = named("query", "pre_classifier", "classifier");
    expect(selected(layers, "inc")).toEqual(["query"]);
    expect(selected(layers, "strict")).toEqual(["query", "pre_classifier"]);
    const numbered = named("0", "1", "12", "2");
    expect(selected(numbered, "inc")).toEqual(["0", "1"]);
    expect(selected(numbered, "strict")).toEqual(["0", "1", "12"]);
  });

  test("a model without linear or conv2d layers breaks INC's search for the head, so inc refuses; strict prunes it", () => {
    const layers: LayerRecord[] = [
      { name: "c", kind: "conv1d", shape: [2, 2, 1], data: Float32Array.of(1, 2, 3, 4) },
    ];
    expect(() => selected(layers, "inc")).toThrow(/to find the classifier head by, got none/);
    expect(selected(layers, "strict")).toEqual(["c"]);
  });

  test("inc's layers follow the order of op_names, which decides ties and bounds; strict's that of the model", () => {
    const layers = named("query", "key", "head");
    const fields = { op_names: ["key", "query"] };
    expect(selected(layers, "inc", fields)).toEqual(["key", "query"]);
    expect(selected(layers, "strict", fields)).toEqual(["query", "key"]);
  });
});

test("ties between layers go by module order under strict, however op_names lists them", () => {
  const layers = [matrix("query", [1, 1]), matrix("key", [1, 1])];
  const keys = { pattern: "1x1", pruning_type: "magnitude", target_sparsity: 0.25 };
  for (const op_names of [["query", "key"], ["key", "query"], []]) {
    const [step] = run({ ...keys, op_names }, layers, { profile: "strict", steps: 1 });
    expect(layerOf(step?.begun, "query").mask.join("")).toBe("01");
    expect(masksOf(step?.begun)).toEqual(["01", "11"]);
  }
});

test("INC's default lists are shared by the configurations of a process; here none sees another's, in both profiles", () => {
  for (const profile of ["inc", "strict"] as const) {
    const keys = { target_sparsity: 0.5, end_step: 20, pattern: "2x1" };
    const alone = parsePruningConfigOrThrow(keys, { profile });
    parsePruningConfigOrThrow({ target_sparsity: 0.8, end_step: 10 }, { profile });
    run({ ...keys, pruning_type: "magnitude" }, [matrix("a", [1], [2])], { profile, steps: 1 });
    expect(parsePruningConfigOrThrow(keys, { profile })).toEqual(alone);
    expect(alone.pruners[0]).toMatchObject({ opNames: [], excludedOpNames: [] });
  }
});

test("INC warns of unknown keys and goes on; both profiles refuse them unless told to ignore", () => {
  for (const profile of ["inc", "strict"] as const) {
    expect(problemsOf({ false_key: 1 }, profile)).toHaveLength(1);
    const ignored = parsePruningConfig({ false_key: 1 }, { profile, unknownKeys: "ignore" });
    expect(isRight(ignored)).toBe(true);
  }
});

test("INC warns of a pruner that hooks no layers and goes on; both profiles refuse it", () => {
  const keys = { op_names: ["nothing"], pruning_type: "magnitude" };
  for (const profile of ["inc", "strict"] as const)
    expect(() => run(keys, [matrix("a", [1])], { profile, steps: 1 })).toThrow(
      /op_names: expected to match a layer/,
    );
});
