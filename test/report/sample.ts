/** A made-up run, for the tests of the report. */

import type { PatternRun, RunReport, SeedCurve } from "../../src/report/run-report.ts";

function curve(seed: number, epochs: number, first: number, last: number): SeedCurve {
  return {
    seed,
    epochs: Array.from({ length: epochs }, (_, index) => {
      const way = index / Math.max(1, epochs - 1);
      const wave = 0.02 * Math.sin(seed + index);
      return {
        epoch: index + 1,
        loss: first * (1 - way) + last * way + wave,
        metric: 0.55 + 0.4 * way ** 0.5 + wave / 2,
      };
    }),
  };
}

function patternRun(pattern: string, target: number): PatternRun {
  const rows = 96;
  const columns = 128;
  return {
    label: pattern,
    pattern,
    loss: { name: "distillation", meaning: "5 times the distance to the teacher" },
    curves: [curve(1, 15, 0.9, 0.2), curve(2, 15, 0.95, 0.25)],
    schedule: Array.from({ length: 30 }, (_, index) => ({
      step: 50 * (index + 1),
      target: target * Math.min(1, index / 20),
      reached: target * Math.min(1, (index + 0.3) / 20.3),
    })),
    layers: ["query", "key", "value", "attention.output.dense", "intermediate.dense"]
      .map((name, index) => ({
        name: `bert.encoder.layer.0.${name}`,
        sparsity: target - 0.05 * index,
        pruned: true,
      }))
      .concat([{ name: "classifier", sparsity: 0, pruned: false }]),
    mask: {
      layer: "bert.encoder.layer.0.attention.self.query",
      rows,
      columns,
      mask: Uint8Array.from({ length: rows * columns }, (_, index) => {
        const block = Math.floor(Math.floor(index / columns) / 4) * columns + (index % columns);
        return (block * 2654435761) % 10 < 10 * (1 - target) ? 1 : 0;
      }),
    },
  };
}

/** Two patterns, two seeds. */
export const SAMPLE: RunReport = {
  title: "Negation, 4x1 and 2:4",
  summary:
    'Dense fine-tuning, then pruning with distillation from the dense model <on> "two" seeds & two patterns.',
  table: {
    metric: "accuracy",
    rows: [
      {
        label: "4x1",
        pattern: "4x1",
        prunedBlocks: 9216,
        totalBlocks: 10240,
        sparsityOverLinear: 0.8812,
        sparsityOverPruned: 0.9,
        dense: [0.98, 0.97],
        sparse: [0.97, 0.975],
        withoutFineTuning: [0.5, 0.52],
        seconds: 61.4,
      },
      {
        label: "2:4",
        pattern: "2:4",
        prunedBlocks: 20480,
        totalBlocks: 40960,
        sparsityOverLinear: 0.4795,
        sparsityOverPruned: 0.5,
        dense: [0.98, 0.97],
        sparse: [0.985, 0.975],
        withoutFineTuning: [0.7, 0.71],
        seconds: 60,
      },
    ],
  },
  models: [
    {
      label: "dense",
      metric: [0.98, 0.97],
      zeros: null,
      bytes: { plain: 17_400_000, packed: null },
      rowsPerSecond: 412,
    },
    {
      label: "4x1",
      metric: [0.97, 0.975],
      zeros: 0.8812,
      bytes: { plain: 17_400_000, packed: 4_100_000 },
      rowsPerSecond: 901,
    },
    {
      label: "2:4",
      metric: [0.985, 0.975],
      zeros: 0.4795,
      bytes: { plain: 17_400_000, packed: 10_200_000 },
      rowsPerSecond: 399,
    },
  ],
  measurement: "Speed is that of a made-up machine.",
  denseLoss: { name: "cross-entropy" },
  dense: [curve(1, 8, 0.7, 0.05), curve(2, 8, 0.7, 0.06)],
  patterns: [patternRun("4x1", 0.9), patternRun("2:4", 0.5)],
  settings: [
    ["task", "negation"],
    ["seeds", "1, 2"],
    ["kernel variant", "fma"],
    ["profile", "inc"],
    ["learning rate (dense)", "0.001"],
  ],
};
