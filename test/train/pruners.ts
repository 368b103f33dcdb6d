/** Ways to prune a small BERT within a few steps. */

export const STEPS = 14;
export const LAST_PRUNE_STEP = 8;
export const PRUNING = {
  pattern: "4x1",
  pruning_type: "snip_momentum",
  target_sparsity: 0.7,
  start_step: 2,
  end_step: 9,
  pruning_frequency: 2,
};
/** What differs in how masks come about: methods, criteria, patterns, several pruners. */
export const PRUNERS: readonly (readonly [string, Readonly<Record<string, unknown>>])[] = [
  ["snip_momentum", PRUNING],
  ["magnitude, local", { ...PRUNING, pruning_type: "magnitude", pruning_scope: "local" }],
  ["gradient", { ...PRUNING, pruning_type: "gradient" }],
  ["one-shot", { ...PRUNING, pruning_type: "magnitude", start_step: 3, end_step: 3 }],
  ["progressive", { ...PRUNING, pruning_type: "snip_momentum_progressive", pruning_frequency: 4 }],
  ["block masks", { ...PRUNING, pruning_type: "block_mask" }],
  ["group lasso", { ...PRUNING, reg_type: "group_lasso", reg_coeff: 0.001 }],
  ["4x2 blocks", { ...PRUNING, pattern: "4x2" }],
  ["rows", { ...PRUNING, pattern: "1xchannel" }],
  ["2:4", { ...PRUNING, pattern: "2:4", target_sparsity: 0.5 }],
  [
    "two pruners, one layer of both",
    {
      ...PRUNING,
      pruning_configs: [
        { op_names: ["attention"], pattern: "4x1" },
        { op_names: ["output.dense"], pattern: "1x4", end_step: 12 },
      ],
    },
  ],
];
