/** Checks tapes and variables that are given as arguments. They run for each operation, so they read little. */
import { checkKind } from "../core/checks.ts";
import { isTensor } from "../tensor/tensor.ts";
import type { Variable } from "./records.ts";

/** What a tape is known by. */
interface TapeForm {
  readonly records: readonly unknown[];
  readonly scopes: readonly unknown[];
}

/** Checks that a value has the form of a tape. */
export function checkTape(tape: TapeForm): void {
  checkKind(isTape(tape), "tape", "one from createTape", tape);
}

function isTape(tape: TapeForm): boolean {
  try {
    return tape.records.length >= 0 && tape.scopes.length >= 0;
  } catch {
    return false;
  }
}

/** Checks that a value has the form of a variable. */
export function checkVariable(name: string, variable: Variable): void {
  checkKind(isVariable(variable), name, "a variable", variable);
}

function isVariable(variable: Variable): boolean {
  try {
    return isTensor(variable.value) && variable.shape.length >= 0;
  } catch {
    return false;
  }
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
  "tableLookups",
];
