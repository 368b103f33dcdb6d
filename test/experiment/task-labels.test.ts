import { describe, expect, test } from "vitest";
import {
  hasHeadFor,
  labelNames,
  type TaskLabels,
  withLabels,
} from "../../src/experiment/task-labels.ts";
import { parseModelConfigOrThrow } from "../../src/model/config.ts";
import { CONFIG } from "../cli/fixtures.ts";

const QNLI: TaskLabels = {
  problemType: "single_label_classification",
  names: ["entailment", "not_entailment"],
  yieldsToModel: true,
  rows: null,
};

function configWith(...names: readonly string[]) {
  return parseModelConfigOrThrow({ ...CONFIG, id2label: Object.fromEntries(names.entries()) });
}

describe("a model with as many labels as a task", () => {
  test.each([
    [
      ["LABEL_0", "LABEL_1"],
      ["entailment", "not_entailment"],
    ],
    [
      ["yes", "no"],
      ["yes", "no"],
    ],
    [
      ["Entailment", "Not_entailment"],
      ["Entailment", "Not_entailment"],
    ],
  ])("keeps its head and other names: %j", (own, expected) => {
    const config = configWith(...own);
    expect(hasHeadFor(config, QNLI)).toBe(true);
    expect(labelNames(withLabels(config, QNLI))).toEqual(expected);
  });

  test.each([[["not_entailment", "entailment"]], [["NOT_ENTAILMENT", "ENTAILMENT"]]])(
    "keeps neither if its names are the task's in another order: %j",
    (own) => {
      const config = configWith(...own);
      expect(hasHeadFor(config, QNLI)).toBe(false);
      expect(labelNames(withLabels(config, QNLI))).toEqual(QNLI.names);
    },
  );
});
