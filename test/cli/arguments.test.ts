import fc from "fast-check";
import { expect, test } from "vitest";
import { parseArguments } from "../../src/cli/arguments.ts";
import {
  choiceOption,
  flagOption,
  integerOption,
  integersOption,
  kebabCase,
  numberOption,
  textOption,
  textsOption,
} from "../../src/cli/options.ts";
import { formatProblem, getOrThrow, isLeft, isRight, type Problem } from "../../src/core/either.ts";

const OPTIONS = {
  targetSparsity: numberOption({ least: 0, below: 1 }, "share of blocks to prune"),
  numTrainEpochs: integerOption({ least: 1 }, "epochs"),
  seeds: integersOption({ least: 0 }, "seeds"),
  outputDir: textOption("DIR", "where to write", ["out"]),
  variant: choiceOption(["scalar", "simd"], "kernels"),
  doPrune: flagOption("whether to prune"),
  pruningFrequency: integerOption({ least: -1 }, "steps"),
  role: textsOption("REGEX=ROLE", "roles"),
} as const;

const GRAMMAR = { command: "test", positionals: [] as string[], options: OPTIONS };

function values(...argv: string[]) {
  return getOrThrow(parseArguments(GRAMMAR, argv)).values;
}

function problems(...argv: string[]): readonly string[] {
  const parsed = parseArguments(GRAMMAR, argv);
  if (isRight(parsed)) throw new Error(`accepted: ${argv.join(" ")}`);
  return parsed.left.map((problem: Problem) => formatProblem(problem));
}

test("every spelling of an option means the same", () => {
  const spellings = fc.constantFrom(
    ["--target-sparsity", "0.5"],
    ["--target_sparsity", "0.5"],
    ["--target-sparsity=0.5"],
    ["--target_sparsity=5e-1"],
    ["--target-sparsity", "+.5"],
  );
  const rest = fc.subarray([["--out=a=b"], ["--do-prune"], ["--seeds", "1, 2"]]);
  fc.assert(
    fc.property(spellings, rest, fc.boolean(), (spelling, others, first) => {
      const argv = first ? [...spelling, ...others.flat()] : [...others.flat(), ...spelling];
      expect(values(...argv).targetSparsity).toBe(0.5);
    }),
  );
});

test("values are typed and absent options are absent", () => {
  expect(values()).toEqual({});
  expect(
    values(
      "--num_train_epochs=3",
      "--seeds",
      "42,7",
      "--out",
      "dir",
      "--variant",
      "simd",
      "--pruning_frequency",
      "-1",
    ),
  ).toEqual({
    numTrainEpochs: 3,
    seeds: [42, 7],
    outputDir: "dir",
    variant: "simd",
    pruningFrequency: -1,
  });
});

test("a flag stands alone or takes true or false", () => {
  expect(values("--do_prune").doPrune).toBe(true);
  expect(values("--do-prune", "false").doPrune).toBe(false);
  expect(values("--do-prune=true", "--out", "x")).toEqual({ doPrune: true, outputDir: "x" });
  expect(values("--do-prune", "--out", "x")).toEqual({ doPrune: true, outputDir: "x" });
  expect(problems("--do-prune=yes")).toEqual(['--do-prune: expected true or false, got "yes"']);
});

test("an unknown option is refused with the nearest known name", () => {
  expect(problems("--target-sparcity", "0.5")).toEqual([
    "--target-sparcity: expected an option of espalier test, got an unknown name (did you mean --target-sparsity?)",
  ]);
  expect(problems("--output=dir")[0]).toContain("(did you mean --out?)");
  expect(problems("--zzzzzzzzzzzzzz")).toEqual([
    "--zzzzzzzzzzzzzz: expected an option of espalier test, got an unknown name",
  ]);
});

test("wrong types and ranges state the option, what was expected and what was got", () => {
  expect(problems("--target-sparsity", "1.5")).toEqual([
    '--target-sparsity: expected a number at least 0 and below 1, got "1.5"',
  ]);
  expect(problems("--num_train_epochs=2.5")).toEqual([
    '--num_train_epochs: expected an integer at least 1, got "2.5"',
  ]);
  expect(problems("--seeds", "1,1")[0]).toContain("expected different integers at least 0");
  expect(problems("--variant", "gpu")).toEqual([
    '--variant: expected one of scalar, simd, got "gpu"',
  ]);
  for (const text of ["", "NaN", "Infinity", "0x1", "1e999", "0.5.5", "half"])
    expect(problems(`--target-sparsity=${text}`)).toHaveLength(1);
});

test("missing values, repeated options and stray arguments are refused, all at once", () => {
  expect(problems("--out", "--do-prune")).toEqual(["--out: expected DIR, got nothing"]);
  expect(problems("--seeds")).toEqual(["--seeds: expected N,N,..., got nothing"]);
  expect(problems("--out", "a", "--output-dir=b", "stray", "--num-train-epochs", "0")).toEqual([
    "--output-dir: expected one value, got several",
    '--num-train-epochs: expected an integer at least 1, got "0"',
    'arguments: expected options only, got "stray"',
  ]);
});

test("positional arguments are counted", () => {
  const grammar = { ...GRAMMAR, positionals: ["DIR"] };
  expect(getOrThrow(parseArguments(grammar, ["a", "--out", "b"])).positionals).toEqual(["a"]);
  const missing = parseArguments(grammar, []);
  expect(isLeft(missing) && missing.left.map(formatProblem)).toEqual([
    "DIR: expected an argument, got nothing",
  ]);
  const surplus = parseArguments(grammar, ["a", "b"]);
  expect(isLeft(surplus) && surplus.left.map(formatProblem)).toEqual([
    'arguments: expected only DIR beside options, got "b"',
  ]);
});

test("no command line makes the parser throw", () => {
  const argument = fc.oneof(
    fc.string(),
    fc.constantFrom(...Object.keys(OPTIONS).map((key) => `--${kebabCase(key)}`)),
    fc.constantFrom("--", "--=", "-", "--__proto__", "--constructor=1", "--toString"),
  );
  fc.assert(
    fc.property(fc.array(argument, { maxLength: 8 }), (argv) => {
      expect(["Left", "Right"]).toContain(parseArguments(GRAMMAR, argv)._tag);
    }),
  );
});

test("an option that repeats keeps all of its values in order", () => {
  expect(values("--role", "a=b", "--seeds", "1", "--role=c=d").role).toEqual(["a=b", "c=d"]);
  expect(values().role).toBeUndefined();
  expect(problems("--seeds", "1", "--seeds", "2")).toEqual([
    "--seeds: expected one value, got several",
  ]);
});
