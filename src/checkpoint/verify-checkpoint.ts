/** Whether the layers of a checkpoint obey a sparsity pattern, one layer in memory at a time. */
import { exactCount } from "../prune/exact.ts";
import type { Pattern } from "../prune/pattern.ts";
import type { Checkpoint, CheckpointEntry } from "./checkpoint.ts";
import { isPrunable, roleOfTensor } from "./layers.ts";
import {
  joinVerdicts,
  type LayerVerdict,
  type PatternVerdict,
  type VerifyOptions,
  verifyWeight,
} from "./verify.ts";
import { weightValues } from "./weight-values.ts";

/** {@link VerifyOptions} for a checkpoint. */
interface CheckpointRequirement extends VerifyOptions {
  readonly pattern: Pattern;
  /** The least share of zero blocks (of zero elements for N:M). Default 0. */
  readonly minSparsity?: number | undefined;
}

/** The verdict on a checkpoint. */
export interface CheckpointVerdict extends PatternVerdict {
  readonly passed: boolean;
  /** Messages; empty if it passed. */
  readonly faults: readonly string[];
  /** The share of zero blocks (of zero elements for N:M). */
  readonly sparsity: number;
}

/** The weights of linear and convolution layers in whose module's name an expression is found. */
export function layerWeights(
  { entries }: Checkpoint,
  only: RegExp | undefined,
): readonly CheckpointEntry[] {
  return entries.filter((entry) => {
    const { kind, module } = roleOfTensor(entry);
    return isPrunable(kind) && (only?.test(module) ?? true);
  });
}

/** The messages of a failure; empty if weights pass. */
function faultsOf(
  { violation, total, pattern }: PatternVerdict,
  zero: number,
  all: number,
  { pattern: { kind }, minSparsity = 0 }: CheckpointRequirement,
): readonly string[] {
  const faults: string[] = [];
  if (violation !== null) {
    const { layer, row, column, expected, got } = violation;
    faults.push(`${layer}, row ${row}, column ${column}: expected ${expected}, got ${got}`);
  }
  if (total.blocks === 0) faults.push(`${pattern} has no whole block in any layer`);
  // Like pruning targets, the share becomes a count that is rounded down.
  const needed = exactCount(all, minSparsity);
  if (zero < needed) {
    const what = kind === "group" ? "elements" : "blocks";
    faults.push(
      `expected at least ${needed} of ${all} ${what} to be zero (${minSparsity}), got ${zero}`,
    );
  }
  return faults;
}

/**
 * Looks at every element of some weights of a checkpoint.
 *
 * @param turn awaited before each layer, so that a program can do other things or stop
 */
export async function verifyCheckpoint(
  checkpoint: Checkpoint,
  weights: readonly CheckpointEntry[],
  requirement: CheckpointRequirement,
  turn: () => Promise<void>,
): Promise<CheckpointVerdict> {
  const layers: LayerVerdict[] = [];
  for (const entry of weights) {
    await turn();
    const { module: name, shape } = roleOfTensor(entry);
    const data = weightValues(checkpoint.read(entry));
    layers.push(verifyWeight({ name, shape, data }, requirement));
  }
  const verdict = joinVerdicts(layers, requirement);
  const { total } = verdict;
  const isGroups = requirement.pattern.kind === "group";
  const zero = isGroups ? total.zeros : total.sparseBlocks;
  const all = isGroups ? total.elements : total.blocks;
  const faults = faultsOf(verdict, zero, all, requirement);
  const sparsity = all === 0 ? 0 : zero / all;
  return { passed: faults.length === 0, faults, sparsity, ...verdict };
}
