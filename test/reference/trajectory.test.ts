import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { comparisons } from "./agreement.ts";
import { runs, runsOf } from "./runs.ts";

describe.each(["inc", "strict"] as const)("%s", (profile) => {
  test("the reducer does at every step what the reference does", () => {
    fc.assert(
      fc.property(runs, (run) => {
        for (const { at, expected, got } of comparisons(run, profile))
          expect({ at, value: got }).toEqual({ at, value: expected });
      }),
      { numRuns: runsOf(60) },
    );
  }, 3_600_000);
});
