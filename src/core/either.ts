import { mismatch } from "./checks.ts";

/**
 * The shape of fp-ts's `Either`, declared structurally so that a user's compiler needs no fp-ts.
 * A `Left` carries what went wrong, a `Right` the value.
 */
export type Either<E, A> = Left<E> | Right<A>;

/** The failed side of an {@link Either}. */
export interface Left<E> {
  readonly _tag: "Left";
  readonly left: E;
}

/** The successful side of an {@link Either}. */
export interface Right<A> {
  readonly _tag: "Right";
  readonly right: A;
}

/** One thing wrong with an input: where, what was expected there, and what was found. */
export interface Problem {
  /** Where: a configuration path such as `pruning_configs[1].pattern`, or `file:line`. */
  readonly path: string;
  readonly expected: string;
  readonly got: string;
}

/** Says one problem as a line of text. */
export function formatProblem({ path, expected, got }: Problem): string {
  return mismatch(path, expected, got);
}

/** Raised by the throwing twins of parsers; carries every problem, not only the first. */
export class InputError extends RangeError {
  override readonly name = "InputError";
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[]) {
    super(problems.map(formatProblem).join("\n"));
    this.problems = problems;
  }
}

/** The value of a `Right`; throws {@link InputError} with all problems of a `Left`. */
export function getOrThrow<A>(result: Either<readonly Problem[], A>): A {
  if (result._tag === "Left") throw new InputError(result.left);
  return result.right;
}
