/** Results that may fail: fp-ts's `Either`, with the problems of an input. Only this module imports `fp-ts/Either`. */
import { left, map, mapLeft, match, right } from "fp-ts/Either";
import { pipe } from "fp-ts/function";
import { describe, mismatch } from "./checks.ts";

export { isLeft, isRight, left, map, mapLeft, right, toError, tryCatch } from "fp-ts/Either";

/** fp-ts's `Either`, declared structurally so that a user's compiler needs no fp-ts. */
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

/** One mistake in an input. */
export interface Problem {
  /** The place: a configuration path such as `pruning_configs[1].pattern`, or `file:line`. */
  readonly path: string;
  readonly expected: string;
  readonly got: string;
}

/** One problem as a line of text. */
export function formatProblem({ path, expected, got }: Problem): string {
  return mismatch(path, expected, got);
}

/** Thrown by the throwing twins of parsers, with all problems. */
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

/** The failure with one problem. */
export function refuse(
  path: string,
  expected: string,
  got: string,
): Either<readonly Problem[], never> {
  return left([{ path, expected, got }]);
}

/** Like {@link refuse}, with the description of a value. */
export function refuseValue(
  path: string,
  expected: string,
  value: unknown,
): Either<readonly Problem[], never> {
  return refuse(path, expected, describe(value));
}

/** The value if there are no problems. */
export function unlessProblems<A>(
  problems: readonly Problem[],
  value: A,
): Either<readonly Problem[], A> {
  return problems.length > 0 ? left(problems) : right(value);
}

/** Puts text before the path of every problem. */
export function prefixPaths(
  prefix: string,
): <A>(result: Either<readonly Problem[], A>) => Either<readonly Problem[], A> {
  return mapLeft((problems: readonly Problem[]) =>
    problems.map((problem) => ({ ...problem, path: prefix + problem.path })),
  );
}

/** Continues with the value. fp-ts's own `chain` is larger than everything else that pruning takes from fp-ts. */
export function chain<E, A, B>(
  next: (value: A) => Either<E, B>,
): (result: Either<E, A>) => Either<E, B> {
  return match<E, A, Either<E, B>>(left, next);
}

/** The values of a record of results. */
type Values<Results> = {
  readonly [Key in keyof Results]: Results[Key] extends Either<readonly Problem[], infer A>
    ? A
    : never;
};

/** A record of values from a record of results, or the problems of all of them in order. */
export function allOf<
  const Results extends Readonly<Record<string, Either<readonly Problem[], unknown>>>,
>(results: Results): Either<readonly Problem[], Values<Results>> {
  const entries = eachOf(Object.entries(results), ([key, result]) =>
    pipe(
      result,
      map((value) => [key, value] as const),
    ),
  );
  return pipe(
    entries,
    map((values) => Object.fromEntries(values) as Values<Results>),
  );
}

/** Reads every item: all values, or the problems of all items in order. Takes linear time. */
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
