/**
 * Random pruning runs: a model, pruners, and what each step brings. Weights, gradients and changes are small
 * multiples of a power of two, so that sums are exact in any order, ties are many and zeros have both signs; shapes
 * are small and not always divided by the pattern; names contain what means something in regular expressions.
 */
import fc from "fast-check";
import { nextUint32, openStream } from "../../src/core/random.ts";
import type { PatternPrunerConfig, PruningConfig } from "../../src/prune/config.ts";
import { ELEMENT_CRITERION_NAMES } from "../../src/prune/criteria.ts";
import { elementCount, type LayerKind, type LayerRecord } from "../../src/prune/layer.ts";
import type { Pattern } from "../../src/prune/pattern.ts";

/** Runs of a property: ESPALIER_RUNS where it is set, else `usual`. */
export function runsOf(usual: number): number {
  const asked = Number(process.env.ESPALIER_RUNS ?? 0);
  return asked > 0 ? asked : usual;
}

/** A model, pruners and data. */
export interface Run {
  readonly modules: readonly {
    readonly name: string;
    readonly kind: LayerKind;
    readonly shape: readonly number[];
  }[];
  readonly config: PruningConfig;
  readonly excludeHead: boolean;
  /** What `strict` does with layers that the pattern does not divide. */
  readonly indivisible: "refuse" | "skip";
  readonly steps: number;
  readonly seed: number;
  /** Values are whole multiples, up to this one, of 1/16 (of 1/4 with retrain_free). */
  readonly levels: number;
  /** Of eight initial weights this many are zero. */
  readonly zeros: number;
}

const linear = fc
  .tuple(fc.constantFrom(1, 2, 3, 4, 4, 6, 8, 8), fc.constantFrom(1, 3, 4, 4, 6, 8, 8, 12))
  .map((shape): [LayerKind, number[]] => ["linear", shape]);
const divided = fc
  .tuple(fc.constantFrom(4, 8), fc.constantFrom(4, 8, 8))
  .map((shape): [LayerKind, number[]] => ["linear", shape]);
const others = fc.constantFrom<[LayerKind, number[]]>(
  ["conv1d", [4, 4, 3]],
  ["conv1d", [2, 8, 2]],
  ["conv2d", [4, 4, 1, 2]],
  ["conv2d", [4, 8, 2, 2]],
  ["conv2d", [3, 2, 2, 1]],
  ["embedding", [8, 4]],
  ["other", []],
);
const NAMES = ["a", "b.query", "b.key", "c.out", "fc+", "x(1)", "pre_a", "q|k", "h$", "0.a"];

const modules = fc
  .tuple(
    fc.array(
      fc.oneof(
        { arbitrary: divided, weight: 5 },
        { arbitrary: linear, weight: 2 },
        { arbitrary: others, weight: 2 },
      ),
      { minLength: 2, maxLength: 5 },
    ),
    fc.shuffledSubarray(NAMES, { minLength: 5, maxLength: 5 }),
  )
  .map(([kinds, names]) =>
    kinds.map(([kind, shape], i) => ({ name: names[i] as string, kind, shape })),
  );

const block = (height: number | "channel", width: number | "channel"): Pattern => ({
  kind: "block",
  height,
  width,
});
const group = (prune: number, of: number): Pattern => ({ kind: "group", prune, of });

/** Blocks that are at most four elements high and wide: sums over them have one order only. */
const SMALL: readonly Pattern[] = [
  block(1, 1),
  block(4, 1),
  block(1, 4),
  block(2, 2),
  block(2, 1),
  block(4, 4),
];
/** Those of them that can be pruned in four parts. */
const LARGE: readonly Pattern[] = [block(4, 1), block(1, 4), block(2, 2), block(4, 4)];
const CHANNELS: readonly Pattern[] = [
  block(1, "channel"),
  block("channel", 1),
  block(2, "channel"),
  block("channel", 4),
];
const GROUPS: readonly Pattern[] = [
  group(2, 4),
  group(1, 2),
  group(1, 4),
  group(3, 4),
  group(4, 8),
  group(2, 8),
];

type Kind = Pick<PatternPrunerConfig, "method" | "criterion">;
const always = (method: Kind["method"], criterion: Kind["criterion"], weight: number) => ({
  arbitrary: fc.constant<Kind>({ method, criterion }),
  weight,
});

const kindsOfPruning: fc.Arbitrary<Kind> = fc.oneof(
  {
    arbitrary: fc.record({
      method: fc.constantFrom("basic", "basic", "progressive"),
      criterion: fc.constantFrom(...ELEMENT_CRITERION_NAMES),
    }),
    weight: 30,
  },
  always("pattern_lock", "snip_momentum", 2),
  always("basic", "block_mask", 5),
  always("basic", "retrain_free", 4),
  always("progressive", "block_mask", 1),
);

/** The usual value nine times in ten. */
function mostly<T>(usual: T, ...others: readonly T[]): fc.Arbitrary<T> {
  return fc.oneof(
    { arbitrary: fc.constant(usual), weight: 9 },
    { arbitrary: fc.constantFrom(...others), weight: 1 },
  );
}

const rules = fc.record({
  opNames: mostly<string[]>([], ["b"], ["a", "."], ["k", "x\\(1\\)", "(?i)A"], ["\\.\\w+\\Z"]),
  excludedOpNames: mostly<string[]>([], ["^b"], ["\\Ax", "(?P<last>\\+)$"]),
  pruningOpTypes: mostly(["Conv", "Linear"], ["Linear", "Embedding"], [""]),
  startStep: fc.integer({ min: 0, max: 3 }),
  length: fc.oneof(fc.constantFrom(0, 5, 8), fc.integer({ min: 0, max: 12 })),
  pruningFrequency: fc.constantFrom(1, 1, 2, 3, 4, 5, 8, 10),
  pruningScope: fc.constantFrom("global" as const, "local" as const),
  sparsityDecay: fc.constantFrom(
    "exp" as const,
    "cos" as const,
    "linear" as const,
    "cube" as const,
  ),
  share: fc.oneof(
    fc.constantFrom(0, 0.25, 0.5, 0.5, 0.75, 0.75, 0.9, 0.9, 1 - 2 ** -30),
    fc.double({ min: 0, max: 1 - 2 ** -30, noNaN: true }),
  ),
  least: fc.constantFrom(0, 0, 0, 0.2, 0.5, 0.9),
  most: fc.constantFrom(0.98, 0.98, 0.98, 0.75, 0.5, 0.3),
  scoreReduction: fc.constantFrom("mean" as const, "sum" as const, "max" as const),
  lowMemoryUsage: fc.constantFrom(false, false, true),
  lockInitSparsity: fc.constantFrom(false, false, false, true),
});

/** Patterns that suit a method; those that it refuses come seldom, where `any` is set. */
function suitable({ method, criterion }: Kind, lasso: boolean, any: boolean): readonly Pattern[] {
  const all = lasso ? SMALL : [...SMALL, ...CHANNELS, ...GROUPS, ...GROUPS];
  if (any) return all;
  if (criterion === "retrain_free") return lasso ? [block("channel", 1)] : CHANNELS;
  if (criterion === "block_mask" && method === "basic")
    return lasso ? SMALL : [...SMALL, ...CHANNELS];
  if (method !== "progressive") return all;
  return lasso ? LARGE : [...LARGE, ...CHANNELS, group(4, 8)];
}

/** One pruner. With `lasso` weights get rounded, so only small blocks are asked for. */
function pruner(lasso: boolean): fc.Arbitrary<PatternPrunerConfig> {
  return fc
    .record({
      kind: kindsOfPruning,
      rule: rules,
      choice: fc.nat(),
      coefficient: fc.constantFrom(null, 0, 0.0625, 0.01),
      // Whether to ask for what may be refused.
      any: mostly(false, true),
    })
    .map(({ kind, rule, choice, coefficient, any }): PatternPrunerConfig => {
      const { length, share, least, most, ...fields } = rule;
      const candidates = suitable(kind, lasso, any);
      const pattern = candidates[choice % candidates.length] as Pattern;
      const all = pattern.kind === "group" ? pattern.prune / pattern.of : 1;
      const shortest = any ? 0 : kind.method === "progressive" ? 5 : 1;
      const window = kind.method === "pattern_lock" && !any ? 0 : Math.max(shortest, length);
      return {
        ...kind,
        ...fields,
        pattern,
        endStep: fields.startStep + window,
        targetSparsity: Math.min(share * all, 1 - 2 ** -30),
        minSparsityRatioPerOp: Math.min(least, most, all),
        maxSparsityRatioPerOp: Math.min(most, all),
        groupLasso: lasso && pattern.kind === "block" ? coefficient : null,
      };
    });
}

/** Any run. */
export const runs: fc.Arbitrary<Run> = fc.constantFrom(false, false, false, true).chain((lasso) =>
  fc.record({
    modules,
    config: fc.record({
      pruners: fc.oneof(
        { arbitrary: fc.array(pruner(lasso), { minLength: 1, maxLength: 1 }), weight: 3 },
        { arbitrary: fc.array(pruner(lasso), { minLength: 2, maxLength: 3 }), weight: 1 },
      ),
    }),
    excludeHead: fc.constantFrom(false, false, false, true),
    indivisible: fc.constantFrom("skip", "skip", "skip", "refuse"),
    steps: fc.integer({ min: 6, max: 18 }),
    seed: fc.integer({ min: 0, max: 2 ** 31 - 1 }),
    levels: fc.constantFrom(1, 2, 8, 24),
    zeros: fc.constantFrom(0, 0, 1, 6),
  }),
);

/** The data of a run. */
export interface RunData {
  readonly layers: LayerRecord[];
  /** Gradients and changes of a step, by layer name. */
  readonly step: (step: number) => {
    readonly gradients: Map<string, Float32Array>;
    readonly changes: Map<string, Float32Array>;
  };
}

/** Makes a run's data. With retrain_free weights never change, and values are coarser, as they get squared. */
export function dataOf({ modules, config, seed, levels, zeros }: Run): RunData {
  const retrainFree = config.pruners.some(({ criterion }) => criterion === "retrain_free");
  const unit = retrainFree ? 1 / 4 : 1 / 16;
  const values = (
    key: number,
    shape: readonly number[],
    most: number,
    zeroShare: number,
    least: number = 0,
  ): Float32Array => {
    const stream = openStream(seed, key);
    return Float32Array.from({ length: shape.length === 0 ? 0 : elementCount(shape) }, () => {
      const bits = nextUint32(stream);
      const sign = (bits & 1) === 1 ? -1 : 1;
      const isZero = (bits >>> 1) % 8 < zeroShare;
      return sign * (isZero ? 0 : unit * (least + ((bits >>> 4) % (most + 1 - least))));
    });
  };
  const most = retrainFree ? Math.min(levels, 2) : levels;
  // Group lasso divides by the gradient's norm: blocks without a gradient would soon be infinite.
  const leastGradient = config.pruners.some(({ groupLasso }) => groupLasso !== null) ? 1 : 0;
  const layers = modules.map((module, i) => ({
    ...module,
    data: values(i, module.shape, most, zeros),
  }));
  return {
    layers,
    step: (step) => ({
      gradients: new Map(
        modules.map(({ name, shape }, i) => [
          name,
          values(1000 * (step + 1) + i, shape, most, 0, leastGradient),
        ]),
      ),
      changes: new Map(
        modules.map(({ name, shape }, i) => [
          name,
          values(1000 * (step + 1) + 500 + i, shape, 1, retrainFree ? 8 : 4),
        ]),
      ),
    }),
  };
}
