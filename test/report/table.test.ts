import { expect, test } from "vitest";
import {
  formatBytes,
  formatMarkdown,
  formatMeanMax,
  formatSignedPercent,
  formatTable,
  relativeDrop,
  resultsTable,
} from "../../src/report/table.ts";
import { SAMPLE } from "./sample.ts";

test("the results table has the published columns and figures", () => {
  const table = resultsTable(SAMPLE.table);
  expect(table.header).toEqual([
    "pattern",
    "blocks pruned",
    "sparsity (linear)",
    "sparsity (pruned)",
    "dense accuracy mean/max",
    "sparse accuracy mean/max",
    "without fine-tuning",
    "relative drop",
    "seconds",
  ]);
  expect(table.rows[0]).toEqual([
    "4x1",
    "9216/10240",
    "0.8812",
    "0.9000",
    "97.50/98.00",
    "97.25/97.50",
    "51.00/52.00",
    "-0.51%",
    "61",
  ]);
});

test("the column of pruning without fine-tuning is left out where nobody measured it", () => {
  const row = {
    prunedBlocks: 0,
    totalBlocks: 1,
    sparsityOverLinear: 0,
    sparsityOverPruned: 0,
    dense: [1],
    sparse: [1],
    seconds: 1,
  };
  const table = resultsTable({ metric: "F1", rows: [{ label: "4x1", pattern: "4x1", ...row }] });
  expect(table.header).not.toContain("without fine-tuning");
  expect(table.rows[0]).toHaveLength(table.header.length);
});

test("the relative drop compares the maxima", () => {
  const row = {
    label: "2:4",
    pattern: "2:4",
    prunedBlocks: 0,
    totalBlocks: 1,
    sparsityOverLinear: 0,
    sparsityOverPruned: 0,
    seconds: 0,
  };
  // The published figures of BERT-mini on MRPC: dense 87.52, 2:4 86.89.
  expect(relativeDrop({ ...row, dense: [0.8619, 0.8752], sparse: [0.8689] })).toBeCloseTo(
    -0.0072,
    4,
  );
  expect(formatSignedPercent(0.0123)).toBe("+1.23%");
  expect(formatSignedPercent(-0.0123)).toBe("-1.23%");
  expect(formatSignedPercent(0)).toBe("0.00%");
  expect(formatMeanMax([0.5, 0.75])).toBe("62.50/75.00");
});

test("columns are as wide as their widest cell", () => {
  const text = formatTable({
    header: ["name", "n"],
    rows: [
      ["a", "1"],
      ["longer", "1000"],
    ],
  });
  expect(text).toBe(["name       n", "------  ----", "a          1", "longer  1000"].join("\n"));
});

test("control characters of a cell do not reach the terminal", () => {
  const text = formatTable({ header: ["name"], rows: [["a\u001b[2Jb\nc"], ["d"]] });
  expect(text).toBe("name\n--------\na [2Jb c\nd");
});

test("Markdown keeps columns apart, whatever the cells contain", () => {
  const rows = [["a|b", "1"]];
  expect(formatMarkdown({ header: ["name", "n"], rows })).toBe(
    ["| name |   n |", "| ---- | --: |", "| a\\|b |   1 |"].join("\n"),
  );
});

test("bytes have three digits", () => {
  const sizes = [999, 1500, 17_400_000, 132_000_000, 2_500_000_000];
  expect(sizes.map(formatBytes)).toEqual(["999 bytes", "1.50 kB", "17.4 MB", "132 MB", "2.50 GB"]);
});
