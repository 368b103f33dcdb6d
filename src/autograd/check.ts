/** Checks tapes and variables that are given as arguments. They run for each operation, so they read little. */
import { checkKind, succeeds } from "../core/checks.ts";
import { isTensor } from "../tensor/tensor.ts";
import type { Variable } from "./records.ts";

/** Checks that a value has the form of a tape. */
export function checkTape(tape: {
  readonly records: readonly unknown[];
  readonly scopes: readonly unknown[];
}): void {
  const isTape = (): boolean => tape.records.length >= 0 && tape.scopes.length >= 0;
  checkKind(succeeds(isTape), "tape", "one from createTape", tape);
}

/** Checks that a value has the form of a variable. */
export function checkVariable(name: string, variable: Variable): void {
  const isVariable = (): boolean => isTensor(variable.value) && variable.shape.length >= 0;
  checkKind(succeeds(isVariable), name, "a variable", variable);
}

/** The names of the options of a tape. */
export const TAPE_OPTIONS: readonly string[] = [
  "training",
  "recordGradients",
  "seed",
  "step",
  "firstExample",
  "blockSparse",
  "linearProducts",
];
