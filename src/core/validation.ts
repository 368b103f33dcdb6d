/**
 * Validation: independent checks put together so that all problems come back at once, where a chain of
 * results would stop at the first.
 */
import { left, map, match, right } from "fp-ts/Either";
import { pipe } from "fp-ts/function";
import { describe } from "./checks.ts";
import type { Either, Left, Problem } from "./either.ts";

/** A value, or everything that is wrong with what it was to be made of. */
export type Validated<A> = Either<readonly Problem[], A>;

/** The failure with one problem. */
export function refuse(path: string, expected: string, got: string): Left<readonly Problem[]> {
  return { _tag: "Left", left: [{ path, expected, got }] };
}

/** Like {@link refuse}, for a value that has yet to be put into words. */
export function refuseValue(
  path: string,
  expected: string,
  value: unknown,
): Left<readonly Problem[]> {
  return refuse(path, expected, describe(value));
}

/** The value where there are no problems. */
export function unlessProblems<A>(problems: readonly Problem[], value: A): Validated<A> {
  return problems.length > 0 ? left(problems) : right(value);
}

/** fp-ts's `chain`, whose several call forms would weigh as much as all else that pruning takes from fp-ts. */
export function chain<E, A, B>(
  next: (value: A) => Either<E, B>,
): (result: Either<E, A>) => Either<E, B> {
  return match<E, A, Either<E, B>>(left, next);
}

/** What a record of results becomes when all of them are values. */
type Values<Results> = {
  readonly [Key in keyof Results]: Results[Key] extends Validated<infer A> ? A : never;
};

/** A record of values from a record of results, or the problems of all of them in their order. */
export function allOf<const Results extends Readonly<Record<string, Validated<unknown>>>>(
  results: Results,
): Validated<Values<Results>> {
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

/** Reads every item: all values, or the problems of all items in their order. In linear time. */
export function eachOf<A, B>(
  items: readonly A[],
  read: (item: A, index: number) => Validated<B>,
): Validated<readonly B[]> {
  const problems: Problem[] = [];
  const values: B[] = [];
  items.forEach((item, index) => {
    const result = read(item, index);
    if (result._tag === "Right") values.push(result.right);
    else problems.push(...result.left);
  });
  return unlessProblems(problems, values);
}
