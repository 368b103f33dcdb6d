/** The subjects of the `strict` vectors, which scripts/strict-vectors.ts makes. */
import type { LayerKind } from "../src/prune/layer.ts";

/** One vector to make. */
export interface StrictPlan {
  readonly slug: string;
  readonly description: string;
  readonly pattern: string;
  readonly scope: "global" | "local";
  readonly target: number;
  readonly min?: number;
  readonly max?: number;
  readonly layers: readonly (readonly [name: string, kind: LayerKind, shape: readonly number[]])[];
  /** Weights are multiples of 1/64 up to this many 64ths, so that sums of a block are exact. */
  readonly levels: number;
  /** Whether exactly one mask is right. Weights are drawn until this holds. */
  readonly result: "valid" | "acceptable";
}

const TWO_LINEAR: StrictPlan["layers"] = [
  ["fc1", "linear", [8, 8]],
  ["fc2", "linear", [16, 8]],
];
const CONVOLUTION: StrictPlan["layers"] = [
  ["conv", "conv2d", [8, 4, 3, 3]],
  ["fc", "linear", [8, 16]],
];
/** Levels of weights: many make all scores different, few make ties. */
const FINE = 4095;
const COARSE = 4;

/** Cases with one right mask. */
const VALID: readonly Omit<StrictPlan, "result" | "levels">[] = [
  {
    slug: "1x1-global",
    description: "single weights, one budget over two layers",
    pattern: "1x1",
    scope: "global",
    target: 0.5,
    layers: TWO_LINEAR,
  },
  {
    slug: "1x1-local",
    description: "single weights, a budget for each layer",
    pattern: "1x1",
    scope: "local",
    target: 0.7,
    layers: TWO_LINEAR,
  },
  {
    slug: "4x1-global",
    description: "blocks along the output",
    pattern: "4x1",
    scope: "global",
    target: 0.9,
    layers: TWO_LINEAR,
  },
  {
    slug: "1x4-local",
    description: "blocks along the input",
    pattern: "1x4",
    scope: "local",
    target: 0.4,
    layers: TWO_LINEAR,
  },
  {
    slug: "2x2-global",
    description: "square blocks",
    pattern: "2x2",
    scope: "global",
    target: 0.33,
    layers: TWO_LINEAR,
  },
  {
    slug: "1xchannel-global",
    description: "whole output rows",
    pattern: "1xchannel",
    scope: "global",
    target: 0.6,
    layers: TWO_LINEAR,
  },
  {
    slug: "channelx1-local",
    description: "whole input columns",
    pattern: "channelx1",
    scope: "local",
    target: 0.5,
    layers: TWO_LINEAR,
  },
  {
    slug: "4x1-conv2d",
    description: "a convolution's inputs run over kernel positions first, then channels",
    pattern: "4x1",
    scope: "global",
    target: 0.5,
    layers: CONVOLUTION,
  },
  {
    slug: "1x1-conv1d",
    description: "a convolution in one dimension",
    pattern: "1x1",
    scope: "local",
    target: 0.25,
    layers: [["conv", "conv1d", [4, 3, 5]]],
  },
  {
    slug: "2of4-full",
    description: "2:4 at its most: every group loses two",
    pattern: "2:4",
    scope: "global",
    target: 0.5,
    layers: TWO_LINEAR,
  },
  {
    slug: "2of4-part",
    description: "2:4 below its most: the groups that lose least are pruned",
    pattern: "2:4",
    scope: "global",
    target: 0.3,
    layers: TWO_LINEAR,
  },
  {
    slug: "1of4-local",
    description: "1:4 prunes one of four, and is counted",
    pattern: "1:4",
    scope: "local",
    target: 0.2,
    layers: TWO_LINEAR,
  },
  {
    slug: "4of8-conv2d",
    description: "N:M on a convolution: groups of neighbouring channels",
    pattern: "4:8",
    scope: "global",
    target: 0.4,
    layers: [["conv", "conv2d", [4, 8, 2, 2]]],
  },
  {
    slug: "max-binds",
    description:
      "a layer of low scores reaches its most; the rest of the budget falls to the others",
    pattern: "1x1",
    scope: "global",
    target: 0.5,
    max: 0.55,
    layers: TWO_LINEAR,
  },
  {
    slug: "min-binds",
    description: "each layer loses its fewest before the budget is shared",
    pattern: "4x1",
    scope: "global",
    target: 0.5,
    min: 0.45,
    layers: TWO_LINEAR,
  },
  {
    slug: "min-and-max",
    description: "both bounds, N:M",
    pattern: "2:4",
    scope: "global",
    target: 0.25,
    min: 0.2,
    max: 0.3,
    layers: TWO_LINEAR,
  },
  {
    slug: "target-0",
    description: "nothing is pruned",
    pattern: "4x1",
    scope: "global",
    target: 0,
    layers: TWO_LINEAR,
  },
  {
    slug: "product-below-integer",
    description:
      "100 x 0.29 is 28.999999999999996 in double precision, and 29 blocks are asked for",
    pattern: "1x1",
    scope: "global",
    target: 0.29,
    layers: [["fc", "linear", [10, 10]]],
  },
];

/** Cases with several right masks. */
const ACCEPTABLE: readonly Omit<StrictPlan, "result">[] = [
  {
    slug: "ties-1x1-global",
    description: "ties across layers: the earlier layer first",
    pattern: "1x1",
    scope: "global",
    target: 0.5,
    layers: TWO_LINEAR,
    levels: COARSE,
  },
  {
    slug: "ties-1x1-local",
    description: "ties within each layer: the lower index first",
    pattern: "1x1",
    scope: "local",
    target: 0.7,
    layers: TWO_LINEAR,
    levels: COARSE,
  },
  {
    slug: "ties-4x1-global",
    description: "blocks of equal sums",
    pattern: "4x1",
    scope: "global",
    target: 0.6,
    layers: TWO_LINEAR,
    levels: COARSE,
  },
  {
    slug: "ties-4x1-conv2d",
    description: "the order of blocks is that of the matrix, not of the weight's memory",
    pattern: "4x1",
    scope: "global",
    target: 0.5,
    layers: CONVOLUTION,
    levels: COARSE,
  },
  {
    slug: "ties-1xchannel",
    description: "equal rows",
    pattern: "1xchannel",
    scope: "global",
    target: 0.5,
    layers: TWO_LINEAR,
    levels: 1,
  },
  {
    slug: "ties-2of4-within-groups",
    description: "2:4 at its most: ties decide which two of four go",
    pattern: "2:4",
    scope: "global",
    target: 0.5,
    layers: TWO_LINEAR,
    levels: COARSE,
  },
  {
    slug: "ties-2of4-groups",
    description: "2:4 below its most: ties between groups, and within them",
    pattern: "2:4",
    scope: "local",
    target: 0.3,
    layers: TWO_LINEAR,
    levels: COARSE,
  },
  {
    slug: "ties-max-binds",
    description: "ties at a layer's most: exactly that many, where `inc` would overshoot",
    pattern: "1x1",
    scope: "global",
    target: 0.5,
    max: 0.55,
    layers: TWO_LINEAR,
    levels: COARSE,
  },
  {
    slug: "ties-min-binds",
    description: "ties among the fewest of a layer",
    pattern: "4x1",
    scope: "global",
    target: 0.5,
    min: 0.45,
    layers: TWO_LINEAR,
    levels: COARSE,
  },
  {
    slug: "ties-all-equal",
    description: "one value everywhere: any choice of the right size is right",
    pattern: "4x1",
    scope: "global",
    target: 0.75,
    layers: TWO_LINEAR,
    levels: 0,
  },
];

/** All vectors, in the order of their seeds. */
export const STRICT_PLANS: readonly StrictPlan[] = [
  ...VALID.map((plan) => ({ ...plan, levels: FINE, result: "valid" as const })),
  ...ACCEPTABLE.map((plan) => ({ ...plan, result: "acceptable" as const })),
];
