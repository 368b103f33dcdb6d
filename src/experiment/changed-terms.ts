/** Compares the terms of an experiment with those of a snapshot. */
import type { Problem } from "../core/either.ts";
import { snapshotDifferences } from "../train/snapshot.ts";
import type { ExperimentPhase, ExperimentTerms } from "./plan.ts";
import { patternSuffix } from "./recipes.ts";

type Phases = readonly ExperimentPhase[];

/**
 * Returns one problem for each difference. If the patterns differ, they are one problem at `path.patterns`, and the
 * other settings of phases are compared by pattern. Paths have the indices of the phases in `wanted`.
 */
export function changedTerms(
  path: string,
  wanted: ExperimentTerms,
  stored: ExperimentTerms,
): readonly Problem[] {
  const [patterns, former] = [patternsOf(wanted.phases), patternsOf(stored.phases)];
  if (patterns === former) return snapshotDifferences(path, wanted, stored);
  const pairs = wanted.phases.map((phase) => {
    const other = stored.phases.find(({ id }) => id.pattern === phase.id.pattern);
    if (other === undefined) return undefined;
    const names = recipeNames(other, stored.phases);
    const isSame = recipeNames(phase, wanted.phases).some((name) => names.includes(name));
    const { recipe } = isSame ? phase.id : other.id;
    return [phase, { ...other, id: { ...other.id, recipe } }] as const;
  });
  return [
    ...snapshotDifferences(`${path}.patterns`, patterns, former),
    ...snapshotDifferences(
      path,
      { ...wanted, phases: pairs.map((pair) => pair?.[0]) },
      { ...stored, phases: pairs.map((pair) => pair?.[1]) },
    ),
  ];
}

function sparsePatterns(phases: Phases): readonly string[] {
  return phases.flatMap(({ id }) => (id.phase === "sparse" ? [id.pattern] : []));
}

function patternsOf(phases: Phases): string {
  return sparsePatterns(phases).join(",");
}

/** Returns the name of a phase's recipe, and with several patterns also without that of the pattern. */
function recipeNames({ id }: ExperimentPhase, phases: Phases): readonly string[] {
  const [first, second] = sparsePatterns(phases);
  if (first === undefined || second === undefined) return [id.recipe];
  const suffix = patternSuffix(id.phase === "dense" ? first : id.pattern);
  return id.recipe.endsWith(suffix) ? [id.recipe, id.recipe.slice(0, -suffix.length)] : [id.recipe];
}
