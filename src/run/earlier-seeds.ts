/** Keeps the seeds of earlier runs in a directory: a run that resumes some seeds also reports the others. */
import { InputError, isLeft } from "../core/either.ts";
import { changedTerms } from "../experiment/changed-terms.ts";
import { experimentTerms, planPhases } from "../experiment/plan.ts";
import { isJsonObject, parseJson } from "../io/json.ts";
import { decodeLossy } from "../io/text.ts";
import { METRICS_FILE } from "./board.ts";
import { experimentOf, type RunPlan } from "./plan.ts";
import type { SeedResult } from "./seed.ts";
import { findSnapshot, openSnapshot, snapshotSeeds } from "./snapshot.ts";
import { joinPath, type RunStorage } from "./storage.ts";

/** All seeds of a directory: those of this run, and those that earlier runs have left. */
export interface RunSeeds {
  /** The seeds in the order of metrics.jsonl. */
  readonly order: readonly number[];
  /** The state of the seeds that this run does not train, by seed. */
  readonly kept: ReadonlyMap<number, SeedResult>;
  /** Returns the parent of a seed's model directories, in the directory of the run. */
  readonly modelsOf: (seed: number) => string;
}

/** Returns the seeds of a new run. With several seeds, each has a directory of its own. */
export function newSeeds(seeds: readonly number[]): RunSeeds {
  const modelsOf = (seed: number): string => (seeds.length === 1 ? "" : `seed-${seed}`);
  return { order: seeds, kept: new Map(), modelsOf };
}

/**
 * Returns the seeds of a run that continues the one in `directory`.
 *
 * @throws InputError if a seed that this run does not train was trained with other settings
 */
export async function resumedSeeds(
  storage: RunStorage,
  directory: string,
  plan: RunPlan,
  seeds: readonly number[],
): Promise<RunSeeds> {
  const kept = new Map<number, SeedResult>();
  const models = new Map<number, string>();
  const experiment = experimentOf(plan);
  for (const seed of await snapshotSeeds(storage, directory)) {
    const path = await findSnapshot(storage, directory, seed);
    if (path === undefined) continue;
    const snapshot = await openSnapshot(storage, path);
    snapshot.close();
    models.set(seed, snapshot.models);
    if (seeds.includes(seed)) continue;
    const phases = planPhases(plan, seed);
    const terms = experimentTerms(experiment, phases);
    const problems = changedTerms(`seed ${seed}`, terms, snapshot.terms);
    if (problems.length > 0) throw new InputError(problems);
    const { history } = snapshot;
    const completed =
      history.length === phases.length && history.every(({ result }) => result !== null);
    kept.set(seed, {
      ...{ seed, completed, diverged: null },
      ...{ models: snapshot.models, phases: history },
    });
  }
  const order =
    kept.size === 0 ? seeds : await orderIn(storage, directory, [...kept.keys()], seeds);
  const own = newSeeds(order).modelsOf;
  return { order, kept, modelsOf: (seed) => models.get(seed) ?? own(seed) };
}

/** Returns the seeds in the order of metrics.jsonl, followed by those that have no lines yet. */
async function orderIn(
  storage: RunStorage,
  directory: string,
  kept: readonly number[],
  seeds: readonly number[],
): Promise<readonly number[]> {
  const path = joinPath(directory, METRICS_FILE);
  const text = (await storage.kind(path)) === "file" ? decodeLossy(await storage.read(path)) : "";
  const written = text.split("\n").flatMap((line) => {
    const parsed = parseJson(path, line);
    if (isLeft(parsed) || !isJsonObject(parsed.right)) return [];
    const { seed } = parsed.right;
    return typeof seed === "number" ? [seed] : [];
  });
  const known = [...kept, ...seeds];
  return [...new Set([...written.filter((seed) => known.includes(seed)), ...known])];
}
