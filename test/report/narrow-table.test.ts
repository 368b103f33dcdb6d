import { describe, expect, test } from "vitest";
import { htmlReport } from "../../src/report/html.ts";
import { narrowTable } from "../../src/report/narrow-table.ts";
import { SAMPLE } from "./sample.ts";

const NARROW = {
  attentions: [{ name: "layer.0.attention", heads: [1, 0, 0, 1] }],
  channels: [
    { name: "layer.0.output", kept: 24, total: 96 },
    { name: "layer.1.output", kept: 0, total: 0 },
  ],
};

describe("the picture of heads and widths", () => {
  test("has a square for each head, and sixteen for all channels", () => {
    expect(narrowTable(NARROW).rows).toEqual([
      ["layer.0.attention", "■□□■", "2 of 4 heads"],
      ["layer.0.output", "■■■■□□□□□□□□□□□□", "24 of 96 channels"],
      ["layer.1.output", "□".repeat(16), "0 of 0 channels"],
    ]);
  });

  test("is in the report of a run that prunes heads, and in no other", () => {
    const [first, ...others] = SAMPLE.patterns;
    if (first === undefined) throw new Error("expected a pattern");
    const html = htmlReport({ ...SAMPLE, patterns: [{ ...first, narrow: NARROW }, ...others] });
    expect(html).toContain("■□□■");
    expect(htmlReport(SAMPLE)).not.toContain("heads or width");
  });
});
