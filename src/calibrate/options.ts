/** The options of calibrated pruning, checked and completed. */
import {
  checkFloat32Array,
  checkInteger,
  checkKind,
  checkNumber,
  checkObject,
  checkOneOf,
  checkOptions,
  mismatch,
} from "../core/checks.ts";
import type { Profile } from "../prune/config.ts";
import { refusePruning } from "../prune/layer.ts";
import {
  formatPattern,
  type Pattern,
  type PatternSpelling,
  readPattern,
} from "../prune/pattern.ts";
import type { CalibratedPattern } from "./choose.ts";
import type { SwapRule } from "./dsnot.ts";
import { checkProfile } from "./profile.ts";

/** What all criteria share. */
interface SharedOptions {
  /** `1x1` (single elements) or `N:M`. Default `1x1`. */
  readonly pattern?: PatternSpelling | Pattern;
  /**
   * The share of elements to prune, in [0, 1). Default 0.5, or N/M for N:M. `inc` ignores it for N:M, but SparseGPT
   * refuses more than N/M.
   */
  readonly targetSparsity?: number;
  /** Default `strict`. */
  readonly profile?: Profile;
}

/** Options for {@link pruneCalibrated}, by criterion. The defaults are INC's. */
export type CalibratedOptions =
  | (SharedOptions & {
      readonly criterion: "sparsegpt";
      /** The number of columns that are pruned together. Default 128. */
      readonly blockSize?: number;
      /** The share of the Hessian's mean diagonal that is added to its diagonal. Default 0.01. */
      readonly damping?: number;
    })
  | (SharedOptions & {
      readonly criterion: "wanda";
      /** Whether each row loses the same share of its summed metric. Has no effect with N:M. Default false. */
      readonly variant?: boolean;
    })
  | (SharedOptions & {
      readonly criterion: "dsnot";
      /** What the initial mask prunes least of: a name, or a metric in the layout [out, in]. Default `wanda`. */
      readonly initialMetric?: "wanda" | "magnitude" | Float32Array;
      /** The maximum number of swaps in a row. Default 100. */
      readonly maxCycles?: number;
      /** A row whose expected error is at most this stops. Default 0.1. */
      readonly updateThreshold?: number;
      /** The power of the variance by which products are divided to choose what regrows. Default 1. */
      readonly variancePower?: number;
      /** Whether a row stops before its error changes sign. N:M always does. Default false. */
      readonly keepSign?: boolean;
    });

interface SharedRule {
  readonly profile: Profile;
  readonly pattern: CalibratedPattern;
  readonly targetSparsity: number;
}

/** Complete settings, by criterion. */
export type CalibratedRule =
  | (SharedRule & {
      readonly criterion: "sparsegpt";
      readonly blockSize: number;
      readonly damping: number;
    })
  | (SharedRule & { readonly criterion: "wanda"; readonly variant: boolean })
  | (SharedRule &
      SwapRule & {
        readonly criterion: "dsnot";
        readonly initialMetric: "wanda" | "magnitude" | Float32Array;
      });

type Criterion = CalibratedOptions["criterion"];

const SHARED = ["criterion", "pattern", "targetSparsity", "profile"];
const KEYS: Readonly<Record<Criterion, readonly string[]>> = {
  sparsegpt: [...SHARED, "blockSize", "damping"],
  wanda: [...SHARED, "variant"],
  dsnot: [...SHARED, "initialMetric", "maxCycles", "updateThreshold", "variancePower", "keepSign"],
};

/** The names of the criteria that read calibration statistics. */
export const CALIBRATED_CRITERIA: readonly Criterion[] = /* @__PURE__ */ Object.keys(
  KEYS,
) as Criterion[];

/** Reads a pattern. INC takes every block pattern whose text contains `1x1`, such as 1x16, for single elements. */
function patternOf(spelling: PatternSpelling | Pattern, profile: Profile): CalibratedPattern {
  const pattern = readPattern(spelling);
  if (pattern.kind === "group") return pattern;
  const text = formatPattern(pattern);
  const isElement = profile === "inc" ? text.includes("1x1") : text === "1x1";
  if (!isElement)
    refusePruning("unsupported-combination", "options.pattern", "1x1 or N:M", JSON.stringify(text));
  return { kind: "element" };
}

function sharedRule(options: CalibratedOptions): SharedRule {
  const { profile = "strict" } = options;
  checkProfile("options.profile", profile);
  const pattern = patternOf(options.pattern ?? "1x1", profile);
  const most = pattern.kind === "group" ? pattern.prune / pattern.of : 1;
  const { targetSparsity = pattern.kind === "group" ? most : 0.5 } = options;
  checkNumber("options.targetSparsity", targetSparsity, 0, 1);
  const ignoresTarget =
    profile === "inc" && options.criterion !== "sparsegpt" && pattern.kind === "group";
  if (targetSparsity > most && !ignoresTarget)
    refusePruning("infeasible-budget", "options.targetSparsity", `at most ${most}`, targetSparsity);
  // INC takes the threshold, or candidates, beyond the last weight.
  if (targetSparsity === 1 && profile === "inc" && options.criterion !== "wanda")
    throw new RangeError(mismatch("options.targetSparsity", "less than 1", 1));
  return { profile, pattern, targetSparsity };
}

function checkBoolean(name: string, value: unknown): void {
  checkKind(typeof value === "boolean", name, "a boolean", value);
}

/**
 * Checks options and completes them.
 *
 * @throws TypeError or RangeError if an option is invalid, PruningError for a pattern or target that is not pruned.
 */
export function readOptions(options: CalibratedOptions): CalibratedRule {
  checkObject("options", options, "criterion");
  checkOneOf("options.criterion", options.criterion, CALIBRATED_CRITERIA);
  checkOptions("options", options, KEYS[options.criterion]);
  const shared = sharedRule(options);
  switch (options.criterion) {
    case "sparsegpt": {
      const { criterion, blockSize = 128, damping = 0.01 } = options;
      checkInteger("options.blockSize", blockSize, 1, 2 ** 15);
      checkNumber("options.damping", damping, 0);
      return { ...shared, criterion, blockSize, damping };
    }
    case "wanda": {
      const { criterion, variant = false } = options;
      checkBoolean("options.variant", variant);
      return { ...shared, criterion, variant };
    }
    case "dsnot": {
      const { criterion, initialMetric = "wanda", maxCycles = 100, keepSign = false } = options;
      const { updateThreshold = 0.1, variancePower = 1 } = options;
      if (typeof initialMetric === "string")
        checkOneOf("options.initialMetric", initialMetric, ["wanda", "magnitude"]);
      else checkFloat32Array("options.initialMetric", initialMetric);
      checkInteger("options.maxCycles", maxCycles);
      checkNumber("options.updateThreshold", updateThreshold, 0);
      checkNumber("options.variancePower", variancePower, 0);
      checkBoolean("options.keepSign", keepSign);
      const swaps = { maxCycles, updateThreshold, variancePower, keepSign };
      return { ...shared, criterion, initialMetric, ...swaps };
    }
    default:
      return options satisfies never;
  }
}
