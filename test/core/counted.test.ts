import { expect, test } from "vitest";
import { counted } from "../../src/core/counted.ts";

test("a noun has its plural form unless the number is 1", () => {
  expect([0, 0.5, 1, 2].map((count) => counted(count, "row"))).toEqual([
    "0 rows",
    "0.5 rows",
    "1 row",
    "2 rows",
  ]);
  expect([1, 3].map((count) => counted(count, "batch", "batches"))).toEqual([
    "1 batch",
    "3 batches",
  ]);
});
