import { expect, test } from "vitest";
import { differenceAt } from "../../src/conform/difference.ts";
import {
  brokenVerdict,
  countVerdicts,
  formatCounts,
  formatFamily,
  formatVerdict,
  judge,
  verdictOf,
} from "../../src/conform/verdict.ts";

const difference = differenceAt({ step: 4, layer: "fc", quantity: "mask" }, 1, 0, 3);

test("a verdict fails with its difference, and passes without one", () => {
  const passed = verdictOf("model", "bert", undefined);
  expect(passed).toEqual({ family: "model", name: "bert", status: "passed", passed: true });
  expect(formatVerdict(passed)).toBe("ok   model bert");
  const failed = verdictOf("model", "bert", difference);
  expect(failed).toMatchObject({ status: "failed", passed: false, difference });
  expect(formatVerdict(failed)).toBe(
    "FAIL model bert: step 4, layer fc, mask[3]: expected 1, got 0",
  );
});

test("an acceptable answer passes, with its note", () => {
  const verdict = verdictOf("strict", "a", { acceptable: "ties" });
  expect(verdict).toEqual({
    family: "strict",
    name: "a",
    status: "acceptable",
    passed: true,
    note: "ties",
  });
  expect(formatVerdict(verdict)).toBe("ok   strict a: acceptable, ties");
});

test("an error on the way is that vector's failure", () => {
  const verdict = judge("joint", "a", () => {
    throw new RangeError("no tensor w");
  });
  expect(verdict).toEqual(brokenVerdict("joint", "a", new Error("no tensor w")));
  expect(verdict.detail).toBe("replay: expected no error, got no tensor w");
});

test("the count of verdicts", () => {
  const findings = [undefined, difference, undefined, { acceptable: "x" }];
  const counts = countVerdicts(findings.map((finding) => verdictOf("f", "n", finding)));
  expect(formatCounts(counts)).toBe("3 passed, 1 failed");
  expect(formatFamily("f", counts)).toBe("f: 3 passed, 1 failed, 1 of them acceptable");
  expect(formatCounts(countVerdicts([]))).toBe("0 passed, 0 failed");
  expect(formatFamily("f", countVerdicts([]))).toBe("f: 0 passed, 0 failed");
});
