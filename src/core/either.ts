/**
 * Results that are a success or a failure: fp-ts's `Either`, and the problems found in an input. Only this module
 * imports `fp-ts/Either`. Common combinators are written here, because importing a single one from fp-ts adds 2 kB of
 * others to a bundle.
 */
import { checkObject, checkRecords, describe, mismatch } from "./checks.ts";

export { toError } from "fp-ts/Either";

/** fp-ts's `Either`, declared as a structural type, so that a user's compiler does not need fp-ts. */
export type Either<E, A> = Left<E> | Right<A>;

/** A failure, with its error. */
export interface Left<E> {
  readonly _tag: "Left";
  readonly left: E;
}

/** A success, with its value. */
export interface Right<A> {
  readonly _tag: "Right";
  readonly right: A;
}

/** One mistake in an input. */
export interface Problem {
  /** The place of the mistake: a configuration path such as `pruning_configs[1].pattern`, or `file:line`. */
  readonly path: string;
  readonly expected: string;
  readonly got: string;
}

/** Formats a problem as one line of text. */
export function formatProblem(problem: Problem): string {
  checkObject("problem", problem);
  const { path, expected, got } = problem;
  return mismatch(path, expected, got);
}

/** The error of an invalid input, with all problems found in it. The throwing variants of parsers throw it. */
export class InputError extends RangeError {
  override readonly name = "InputError";
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[]) {
    checkRecords("problems", problems);
    super(problems.map(formatProblem).join("\n"));
    this.problems = problems;
  }
}

/** Returns the value of a success. @throws InputError with all problems if the result is a failure */
export function getOrThrow<A>(result: Either<readonly Problem[], A>): A {
  checkObject("result", result);
  if (result._tag === "Left") throw new InputError(result.left);
  return result.right;
}

/** Creates a failure with one problem. */
export function refuse(
  path: string,
  expected: string,
  got: string,
): Either<readonly Problem[], never> {
  return left([{ path, expected, got }]);
}

/** Throws an {@link InputError} with one problem. */
export function refuseInput(path: string, expected: string, got: string): never {
  throw new InputError([{ path, expected, got }]);
}

/** Creates a failure with one problem, whose `got` describes `value`. */
export function refuseValue(
  path: string,
  expected: string,
  value: unknown,
): Either<readonly Problem[], never> {
  return refuse(path, expected, describe(value));
}

/** Returns a success with `value` if there are no problems, else a failure with the problems. */
export function unlessProblems<A>(
  problems: readonly Problem[],
  value: A,
): Either<readonly Problem[], A> {
  return problems.length > 0 ? left(problems) : right(value);
}

/** Returns a function that adds a prefix to the path of every problem in a result. */
export function prefixPaths(
  prefix: string,
): <A>(result: Either<readonly Problem[], A>) => Either<readonly Problem[], A> {
  return mapLeft((problems: readonly Problem[]) =>
    problems.map((problem) => ({ ...problem, path: prefix + problem.path })),
  );
}

export function left<E>(error: E): Either<E, never> {
  return { _tag: "Left", left: error };
}

export function right<A>(value: A): Either<never, A> {
  return { _tag: "Right", right: value };
}

/** Returns the result of a function, or the error that it throws as a failure. */
export function tryCatch<E, A>(run: () => A, onThrow: (error: unknown) => E): Either<E, A> {
  try {
    return right(run());
  } catch (error) {
    return left(onThrow(error));
  }
}

export function isLeft<E, A>(result: Either<E, A>): result is Left<E> {
  return result._tag === "Left";
}

export function isRight<E, A>(result: Either<E, A>): result is Right<A> {
  return result._tag === "Right";
}

export function chain<E, A, B>(
  next: (value: A) => Either<E, B>,
): (result: Either<E, A>) => Either<E, B> {
  return (result) => (isLeft(result) ? result : next(result.right));
}

export function map<A, B>(change: (value: A) => B): <E>(result: Either<E, A>) => Either<E, B> {
  return (result) => (isLeft(result) ? result : right(change(result.right)));
}

export function mapLeft<E, F>(change: (error: E) => F): <A>(result: Either<E, A>) => Either<F, A> {
  return (result) => (isLeft(result) ? left(change(result.left)) : result);
}

type Values<Results> = {
  readonly [Key in keyof Results]: Results[Key] extends Either<readonly Problem[], infer A>
    ? A
    : never;
};

/** Combines a record of results: returns the record of their values, or the problems of all failures in order. */
export function allOf<
  const Results extends Readonly<Record<string, Either<readonly Problem[], unknown>>>,
>(results: Results): Either<readonly Problem[], Values<Results>> {
  const entries = eachOf(Object.entries(results), ([key, result]) =>
    map((value: unknown) => [key, value] as const)(result),
  );
  return map((values: readonly (readonly [string, unknown])[]) => Object.fromEntries(values))(
    entries,
  ) as Either<readonly Problem[], Values<Results>>;
}

/** Reads every item. Returns all values, or the problems of all items in order. Takes linear time. */
export function eachOf<A, B>(
  items: readonly A[],
  read: (item: A, index: number) => Either<readonly Problem[], B>,
): Either<readonly Problem[], readonly B[]> {
  const problems: Problem[] = [];
  const values: B[] = [];
  items.forEach((item, index) => {
    const result = read(item, index);
    if (result._tag === "Right") values.push(result.right);
    else problems.push(...result.left);
  });
  return unlessProblems(problems, values);
}
