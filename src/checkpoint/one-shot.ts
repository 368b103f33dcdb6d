/**
 * Plans one-shot pruning: creates pruners from options or from a configuration. All of the pruners prune at the same
 * step.
 */
import { pipe } from "fp-ts/function";
import { chain, type Either, eachOf, left, type Problem, refuse, right } from "../core/either.ts";
import type {
  PatternPrunerConfig,
  PrunerConfig,
  PruningConfig,
  PruningScope,
  ScoreReduction,
} from "../prune/config.ts";
import { type ElementCriterion, needsGradient, scoresBlockMasks } from "../prune/criteria.ts";
import { dueAtOnce, oneShotConfig } from "../prune/once.ts";
import { pruningTypeOf } from "../prune/parse.ts";
import { formatPattern, PATTERN_SPELLINGS, parsePattern } from "../prune/pattern.ts";
import { expressionFault } from "../prune/select.ts";

/** Options for one-shot pruning. */
interface OneShotOptions {
  /** Also overrides the criterion in a configuration. */
  readonly criterion?: ElementCriterion;
  readonly pattern?: string;
  readonly sparsity?: number;
  readonly scope?: PruningScope;
  readonly scoreReduction?: ScoreReduction;
  /**
   * `layers` and `exclude` are regular expressions for module names. Here they are only validated; layers are chosen
   * later.
   */
  readonly layers?: string;
  readonly exclude?: string;
  readonly minSparsityPerLayer?: number;
  readonly maxSparsityPerLayer?: number;
}

/** Options that describe a single pruner. They cannot be combined with a configuration. */
const PRUNER_OPTIONS: readonly (keyof OneShotOptions)[] = [
  "pattern",
  "sparsity",
  "scope",
  "scoreReduction",
  "layers",
  "exclude",
  "minSparsityPerLayer",
  "maxSparsityPerLayer",
];

/** The parsed content of a pruning configuration, and its path for error messages. */
interface NamedConfig {
  readonly path: string;
  readonly read: Either<readonly Problem[], PruningConfig>;
}

function prunerOfOptions(
  options: OneShotOptions,
): Either<readonly Problem[], readonly PatternPrunerConfig[]> {
  const problems: Problem[] = [];
  const report = (key: keyof OneShotOptions, expected: string, got: string): void => {
    problems.push({ path: `\`${key}\``, expected, got });
  };
  for (const key of ["layers", "exclude"] as const) {
    const source = options[key];
    const fault = source === undefined ? undefined : expressionFault(source);
    if (fault !== undefined) report(key, "a regular expression", `${source} (${fault})`);
  }
  const pattern = options.pattern === undefined ? undefined : parsePattern(options.pattern);
  const { sparsity, minSparsityPerLayer: least = 0 } = options;
  if (pattern === undefined) report("pattern", PATTERN_SPELLINGS, options.pattern ?? "none");
  if (sparsity === undefined) report("sparsity", "a number at least 0 and below 1", "none");
  const most = pattern?.kind === "group" ? pattern.prune / pattern.of : 1;
  if (pattern !== undefined && sparsity !== undefined && sparsity > most) {
    const expected = `at most ${most}, all that ${formatPattern(pattern)} can prune`;
    report("sparsity", expected, String(sparsity));
  }
  const greatest = options.maxSparsityPerLayer ?? most;
  if (least > greatest)
    report("minSparsityPerLayer", `at most the greatest share (${greatest})`, String(least));
  if (problems.length > 0 || pattern === undefined || sparsity === undefined) return left(problems);
  const { scope, criterion, scoreReduction } = options;
  const config = oneShotConfig({
    pattern,
    targetSparsity: sparsity,
    minSparsityRatioPerOp: least,
    maxSparsityRatioPerOp: greatest,
    ...(scope && { scope }),
    ...(criterion && { criterion }),
    ...(scoreReduction && { scoreReduction }),
  });
  return right([config]);
}

/** Turns a pruner of a configuration into a one-shot pruner. */
function oneShot(
  path: string,
  pruner: PrunerConfig,
  criterion: ElementCriterion | undefined,
): Either<readonly Problem[], PatternPrunerConfig> {
  const { pattern, method, groupLasso } = pruner;
  if (pattern.kind === "heads") return refuse(path, "blocks, channels or N:M as pattern", '"mha"');
  const measured = pruner.criterion;
  if (method === "pattern_lock" || scoresBlockMasks(measured)) {
    const expected = "a pruning_type that prunes by scores of weights";
    return refuse(path, expected, pruningTypeOf(pruner));
  }
  if (groupLasso !== null)
    return refuse(path, "no reg_type, which acts while training", "group_lasso");
  return right(dueAtOnce({ ...pruner, pattern }, criterion ?? measured));
}

/**
 * Returns the pruners to run, which all prune at the same step, or every problem found. Problems name options by their
 * keys, in backticks.
 *
 * @param config a configuration to use instead of the options that describe a single pruner, which must then be absent
 */
export function planOneShot(
  options: OneShotOptions,
  config: NamedConfig | null,
  hasGradients: boolean,
): Either<readonly Problem[], readonly PatternPrunerConfig[]> {
  const others = PRUNER_OPTIONS.filter((key) => options[key] !== undefined);
  if (config !== null && others.length > 0) {
    const got = `also ${others.map((key) => `\`${key}\``).join(", ")}`;
    return refuse("`config`", "to say alone what is pruned", got);
  }
  const pruners =
    config === null
      ? prunerOfOptions(options)
      : pipe(
          config.read,
          chain((read) =>
            eachOf(read.pruners, (pruner, i) =>
              oneShot(`${config.path}: pruning_configs[${i}]`, pruner, options.criterion),
            ),
          ),
        );
  return pipe(
    pruners,
    chain((made) => {
      const needing = made.find(({ criterion }) => needsGradient(criterion));
      if (needing !== undefined && !hasGradients) {
        const expected = `a checkpoint of gradients for ${needing.criterion}, or \`criterion\` magnitude`;
        return refuse("`gradients`", expected, "none");
      }
      // Gradient scores exist only after the first step.
      const step = needing === undefined ? 0 : 1;
      return right(made.map((pruner) => ({ ...pruner, startStep: step, endStep: step })));
    }),
  );
}
