/** Chooses the recipes of a fine-tuning request, and finds missing and conflicting options before any file is read. */
import { type Either, isLeft, left, type Problem, right, unlessProblems } from "../core/either.ts";
import { GLUE_TASK_NAMES } from "../io/glue-tasks.ts";
import type { FinetuningRequest } from "./finetuning-request.ts";
import { fitGeneric, isGeneric, NOMINAL_FACTS, type RecipeFacts } from "./generic-recipe.ts";
import { unusedLabelLossProblems } from "./label-loss-options.ts";
import { overrideProblems, recipeWith } from "./recipe-overrides.ts";
import { GENERIC, patternSuffix, RECIPES, type Recipe } from "./recipes.ts";

/** The options that only have an effect if rows are not in the form of a task. */
const ROW_OPTIONS = [
  "textColumn",
  "textPairColumn",
  "labelColumn",
  "labelSeparator",
  "problemType",
  "validationSplit",
  "skipBadRows",
] as const satisfies readonly (keyof FinetuningRequest)[];

/** Checks that a request names rows, alone or with their task, and a model or vocabulary to start from. */
export function missingSources(request: Partial<FinetuningRequest>): readonly Problem[] {
  const { task, data, trainFile, validationFile, model, vocab } = request;
  const missing = (path: string, expected: string, isThere: boolean): readonly Problem[] =>
    isThere ? [] : [{ path, expected, got: "nothing" }];
  const isOwn = task === undefined && data === undefined && trainFile !== undefined;
  const hasRows = data !== undefined || (trainFile !== undefined && validationFile !== undefined);
  const tasks = `one of ${GLUE_TASK_NAMES.join(", ")}, or \`trainFile\` alone`;
  const useless = ROW_OPTIONS.filter((name) => task !== undefined && request[name] !== undefined);
  const ownForm = "no `task` beside it, whose files have a form of their own";
  const start = "a model directory, or `vocab` FILE to start from random weights";
  return [
    ...missing("`task`", tasks, task !== undefined || isOwn),
    ...missing("`data`", "a directory, or `trainFile` and `validationFile`", hasRows || isOwn),
    ...useless.map((name) => ({ path: `\`${name}\``, expected: ownForm, got: String(task) })),
    ...missing("`model`", start, model !== undefined || vocab !== undefined),
  ];
}

/** Returns the name of a task's default recipe. */
function defaultRecipe(task: FinetuningRequest["task"]): string {
  return task === "mrpc" || task === "sst2" ? `bertmini-${task}-4x1` : GENERIC;
}

/** A recipe before its settings are fitted to model and rows, and the request with its pattern. */
export interface ChosenRecipe {
  readonly base: Recipe;
  readonly request: FinetuningRequest;
}

/**
 * Returns the request's recipe, once for each pattern of the request, or the problems of missing and conflicting
 * options.
 */
export function chooseRecipes(
  request: FinetuningRequest,
): Either<readonly Problem[], readonly ChosenRecipe[]> {
  const { task, recipe: name = defaultRecipe(request.task) } = request;
  const missing = missingSources(request);
  const base = RECIPES.find((candidate) => candidate.name === name);
  const wrong = (expected: string, got: string): Either<readonly Problem[], never> =>
    left([...missing, { path: "`recipe`", expected, got }]);
  const names = RECIPES.map((candidate) => candidate.name).join(", ");
  if (base === undefined) return wrong(`one of ${names}`, JSON.stringify(name));
  if (task !== undefined && base.task !== "any" && base.task !== task)
    return wrong(`a recipe for ${task}`, `${name}, which is for ${base.task}`);
  const chosen = byPattern(base, request);
  if (isLeft(chosen)) return left([...missing, ...chosen.left]);
  const [first] = chosen.right;
  if (first === undefined) return wrong("a pattern", "none");
  const nominal = recipeFor(first, NOMINAL_FACTS);
  const conflicting = [
    ...overrideProblems(isGeneric(base) ? nominal : base, first.request),
    ...conflicts(request, nominal),
    ...unusedLabelLossProblems(request, nominal),
  ];
  return unlessProblems([...missing, ...conflicting], chosen.right);
}

/** Returns the recipe with all overrides; `generic` is fitted to the facts first. */
export function recipeFor({ base, request }: ChosenRecipe, facts: RecipeFacts): Recipe {
  return isGeneric(base) ? fitGeneric(base, request, facts) : recipeWith(base, request);
}

/** Makes one recipe for each of the patterns, which are separated by commas, with a name of its own. */
function byPattern(
  base: Recipe,
  request: FinetuningRequest,
): Either<readonly Problem[], readonly ChosenRecipe[]> {
  const { pruningPattern } = request;
  const patterns = pruningPattern?.split(",").map((pattern) => pattern.trim()) ?? [];
  if (patterns.length < 2) return right([{ base, request }]);
  if (new Set(patterns).size < patterns.length || patterns.includes("")) {
    const expected = "different patterns, separated by commas";
    return left([{ path: "`pruningPattern`", expected, got: JSON.stringify(pruningPattern) }]);
  }
  return right(
    patterns.map((pattern) => ({
      base: { ...base, name: `${base.name}${patternSuffix(pattern)}` },
      request: { ...request, pruningPattern: pattern },
    })),
  );
}

function conflicts(request: FinetuningRequest, { dense }: Recipe): readonly Problem[] {
  const { pruningConfig, pruningPattern, pruningType, doPrune, model } = request;
  const stated = [
    ...(pruningPattern === undefined ? [] : ["`pruningPattern`"]),
    ...(pruningType === undefined ? [] : ["`pruningType`"]),
    ...(doPrune === false ? ["`doPrune` false"] : []),
  ];
  const expected = "no `pruningConfig` beside it";
  const untrained = "at least 1 without `model`";
  return [
    ...(pruningConfig === undefined ? [] : stated.map((path) => ({ path, expected, got: "both" }))),
    ...(dense.epochs === 0 && model === undefined
      ? [{ path: "`denseNumTrainEpochs`", expected: untrained, got: "0" }]
      : []),
  ];
}
