/** What `espalier prune` is asked for: the one-shot pruners that its options or a configuration make. */

import { parsePruningConfigFile } from "../checkpoint/pruning-config-file.ts";
import { type Either, InputError, isLeft, left, type Problem, right } from "../core/either.ts";
import { nodeStorage } from "../node/storage.ts";
import type {
  PatternPrunerConfig,
  Profile,
  PrunerConfig,
  PruningScope,
  ScoreReduction,
} from "../prune/config.ts";
import { type ElementCriterion, needsGradient, scoresBlockMasks } from "../prune/criteria.ts";
import { oneShotConfig } from "../prune/once.ts";
import { parsePruningConfig, pruningTypeOf } from "../prune/parse.ts";
import { formatPattern, PATTERN_SPELLINGS, parsePattern } from "../prune/pattern.ts";
import { expressionFault } from "../prune/select.ts";
import { readNamedFile } from "../run/storage.ts";
import { kebabCase } from "./options.ts";

/** The values of the options that say what is pruned. */
export interface PruneValues {
  readonly pattern?: string;
  readonly sparsity?: number;
  readonly scope?: PruningScope;
  readonly criterion?: ElementCriterion;
  readonly scoreReduction?: ScoreReduction;
  readonly layers?: string;
  readonly exclude?: string;
  readonly minSparsityPerLayer?: number;
  readonly maxSparsityPerLayer?: number;
  readonly config?: string;
  readonly gradients?: string;
}

/** The options that a configuration takes the place of. */
const INLINE: readonly (keyof PruneValues)[] = [
  "pattern",
  "sparsity",
  "scope",
  "scoreReduction",
  "layers",
  "exclude",
  "minSparsityPerLayer",
  "maxSparsityPerLayer",
];

type Read = Either<readonly Problem[], readonly PatternPrunerConfig[]>;

function optionName(key: string): string {
  return `--${kebabCase(key)}`;
}

function expressionProblems(values: PruneValues): readonly Problem[] {
  return (["layers", "exclude"] as const).flatMap((key) => {
    const source = values[key];
    const fault = source === undefined ? undefined : expressionFault(source);
    if (fault === undefined) return [];
    return [
      { path: optionName(key), expected: "a regular expression", got: `${source} (${fault})` },
    ];
  });
}

/** One pruner from the options. */
function inlinePruner(values: PruneValues): Read {
  const problems: Problem[] = [...expressionProblems(values)];
  const report = (path: string, expected: string, got: string): void => {
    problems.push({ path, expected, got });
  };
  const pattern = values.pattern === undefined ? undefined : parsePattern(values.pattern);
  const { sparsity, minSparsityPerLayer: least = 0 } = values;
  if (pattern === undefined) report("--pattern", PATTERN_SPELLINGS, values.pattern ?? "none");
  if (sparsity === undefined) report("--sparsity", "a number at least 0 and below 1", "none");
  const most = pattern?.kind === "group" ? pattern.prune / pattern.of : 1;
  if (pattern !== undefined && sparsity !== undefined && sparsity > most)
    report(
      "--sparsity",
      `at most ${most}, all that ${formatPattern(pattern)} can prune`,
      String(sparsity),
    );
  const greatest = values.maxSparsityPerLayer ?? most;
  if (least > greatest)
    report("--min-sparsity-per-layer", `at most the greatest share (${greatest})`, String(least));
  if (problems.length > 0 || pattern === undefined || sparsity === undefined) return left(problems);
  const { scope, criterion, scoreReduction, layers, exclude } = values;
  const config = oneShotConfig({
    ...{ pattern, targetSparsity: sparsity, minSparsityRatioPerOp: least },
    maxSparsityRatioPerOp: greatest,
    ...(scope && { scope }),
    ...(criterion && { criterion }),
    ...(scoreReduction && { scoreReduction }),
    ...(layers === undefined ? {} : { opNames: [layers] }),
    ...(exclude === undefined ? {} : { excludedOpNames: [exclude] }),
  });
  return right([config]);
}

/** A pruner of a configuration, made one-shot; or what cannot be. */
function oneShot(
  path: string,
  pruner: PrunerConfig,
  criterion: ElementCriterion | undefined,
): PatternPrunerConfig | Problem {
  const { pattern, method, groupLasso } = pruner;
  if (pattern.kind === "heads")
    return { path, expected: "blocks, channels or N:M as pattern", got: '"mha"' };
  if (method === "pattern_lock" || scoresBlockMasks(pruner.criterion))
    return {
      path,
      expected: "a pruning_type that prunes by scores of weights",
      got: pruningTypeOf(pruner),
    };
  if (groupLasso !== null)
    return { path, expected: "no reg_type, which acts while training", got: "group_lasso" };
  return {
    ...pruner,
    ...{ pattern, method: "basic", criterion: criterion ?? pruner.criterion, pruningFrequency: 1 },
    ...{ startStep: 0, endStep: 0, lockInitSparsity: false, lowMemoryUsage: false },
  };
}

async function configuredPruners(
  path: string,
  values: PruneValues,
  profile: Profile,
): Promise<Read> {
  const others = INLINE.filter((key) => values[key] !== undefined);
  if (others.length > 0) {
    const got = others.map(optionName).join(", ");
    return left([
      { path: "--config", expected: "to say alone what is pruned", got: `also ${got}` },
    ]);
  }
  const bytes = await readNamedFile(nodeStorage, "--config", path);
  if (isLeft(bytes)) return bytes;
  const keys = parsePruningConfigFile(path, bytes.right);
  if (isLeft(keys)) return keys;
  const parsed = parsePruningConfig(keys.right, { profile });
  if (isLeft(parsed))
    return left(parsed.left.map((problem) => ({ ...problem, path: `${path}: ${problem.path}` })));
  const made = parsed.right.pruners.map((pruner, i) =>
    oneShot(`${path}: pruning_configs[${i}]`, pruner, values.criterion),
  );
  const problems = made.filter((one): one is Problem => "got" in one);
  if (problems.length > 0) return left(problems);
  return right(made.filter((one): one is PatternPrunerConfig => !("got" in one)));
}

/**
 * The pruners asked for, all due at the same step.
 *
 * @throws InputError with every problem
 */
export async function readPruners(
  values: PruneValues,
  profile: Profile,
): Promise<readonly PatternPrunerConfig[]> {
  const read =
    values.config === undefined
      ? inlinePruner(values)
      : await configuredPruners(values.config, values, profile);
  if (isLeft(read)) throw new InputError(read.left);
  const pruners = read.right;
  const needing = pruners.find(({ criterion }) => needsGradient(criterion));
  if (needing !== undefined && values.gradients === undefined)
    throw new InputError([
      {
        path: "--gradients",
        expected: `a checkpoint of gradients for ${needing.criterion}, or --criterion magnitude`,
        got: "none",
      },
    ]);
  // Scores from gradients are there after one look at them.
  const step = needing === undefined ? 0 : 1;
  return pruners.map((config) => ({ ...config, startStep: step, endStep: step }));
}
