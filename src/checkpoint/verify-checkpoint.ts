/** Proves or refutes that a checkpoint obeys a pattern, and accounts for every tensor. */
import { hasCountableZeros } from "../io/dtypes.ts";
import { exactCount } from "../prune/exact.ts";
import { formatPattern, layOut, type Pattern } from "../prune/pattern.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { type ChosenLayers, type ChosenTensor, type LeftTensor, leaveTensor } from "./choice.ts";
import { accountFor, type Coverage, type TensorAccount } from "./coverage.ts";
import { layerValues } from "./layers.ts";
import type { SurveyedTensor } from "./survey.ts";
import { weightValues } from "./tensor-values.ts";
import {
  joinVerdicts,
  type LayerVerdict,
  type PatternVerdict,
  type VerifyOptions,
  verifyWeight,
} from "./verify.ts";

/** Options for {@link verifyCheckpoint}. */
export interface CheckpointRequirement extends VerifyOptions {
  readonly pattern: Pattern;
  /** The required share of zero blocks, or of zero elements for N:M. Default 0. */
  readonly minSparsity?: number | undefined;
  /** Tensors may stay uncovered if their names contain a match of this expression. */
  readonly allowUncovered?: RegExp | undefined;
}

/** The verdict on a checkpoint. */
export interface CheckpointVerdict extends PatternVerdict, TensorAccount {
  readonly passed: boolean;
  /** The reasons why the checkpoint failed, as messages; empty if it passed. */
  readonly faults: readonly string[];
  /** The share of zero blocks, or of zero elements for N:M. */
  readonly sparsity: number;
}

/** Returns the messages about violations of the pattern and about too few zeros; empty if there are none. */
function patternFaults(
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
  // The share is converted to a count and rounded down, like a pruning target.
  const needed = exactCount(all, minSparsity);
  if (zero < needed) {
    const what = kind === "group" ? "elements" : "blocks";
    faults.push(
      `expected at least ${needed} of ${all} ${what} to be zero (${minSparsity}), got ${zero}`,
    );
  }
  return faults;
}

/** Returns the messages about tensors that are not covered and not allowed to be. */
function coverageFaults(
  { left }: Coverage,
  shapes: ReadonlyMap<string, readonly number[]>,
  allowed: RegExp | undefined,
): readonly string[] {
  return left
    .filter(({ name, isUncovered }) => isUncovered && !allowed?.test(name))
    .map(({ name, reason, share }) => {
      const shape = shapes.get(name)?.join(", ") ?? "";
      return `${name} [${shape}] is not covered (${(100 * share).toFixed(2)} % of all elements): ${reason}`;
    });
}

/**
 * Returns the record of a tensor whose layers cannot be verified, with the reason; undefined if they can be verified. A
 * tensor whose zeros cannot be counted is uncovered.
 */
function obstacle({ tensor, layers }: ChosenTensor, pattern: Pattern): LeftTensor | undefined {
  const { dtype } = tensor.entry;
  if (!hasCountableZeros(dtype))
    return leaveTensor(tensor, `the zeros of ${dtype} cannot be counted`, true);
  // Pruning also skips layers that the pattern does not divide.
  if (layers.every((layer) => layOut(pattern, layer).divides)) return undefined;
  return leaveTensor(tensor, `${formatPattern(pattern)} does not divide it`);
}

/** Returns the choice with the tensors that cannot be verified in `left` instead of `chosen`. */
function judgeable({ chosen, left }: ChosenLayers, pattern: Pattern): ChosenLayers {
  return {
    chosen: chosen.filter((one) => obstacle(one, pattern) === undefined),
    left: [...left, ...chosen.flatMap((one) => obstacle(one, pattern) ?? [])],
  };
}

/**
 * Verifies a pattern by checking every element in the chosen layers of a checkpoint.
 *
 * @param tensors all surveyed tensors, from which `choice` was made
 * @param turn awaited before each tensor, to let other work run; a rejection stops the verification
 */
export async function verifyCheckpoint(
  checkpoint: Checkpoint,
  tensors: readonly SurveyedTensor[],
  choice: ChosenLayers,
  requirement: CheckpointRequirement,
  turn: () => Promise<void>,
): Promise<CheckpointVerdict> {
  const { pattern, allowUncovered } = requirement;
  const covered = judgeable(choice, pattern);
  const layers: LayerVerdict[] = [];
  for (const { tensor, layers: own } of covered.chosen) {
    await turn();
    const values = weightValues(checkpoint, tensor);
    for (const layer of own) {
      const { name, shape } = layer;
      layers.push(verifyWeight({ name, shape, data: layerValues(layer, values) }, requirement));
    }
  }
  const verdict = joinVerdicts(layers, requirement);
  const { total } = verdict;
  const isGroups = pattern.kind === "group";
  const zero = isGroups ? total.zeros : total.sparseBlocks;
  const all = isGroups ? total.elements : total.blocks;
  const account = accountFor(tensors, covered);
  const shapes = new Map(tensors.map(({ name, shape }) => [name, shape]));
  const faults = [
    ...patternFaults(verdict, zero, all, requirement),
    ...coverageFaults(account.coverage, shapes, allowUncovered),
  ];
  return {
    passed: faults.length === 0,
    faults,
    sparsity: all === 0 ? 0 : zero / all,
    ...verdict,
    ...account,
  };
}
