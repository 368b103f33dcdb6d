/** `espalier prune --statistics`: prunes linear layers from statistics of their inputs, into a copy. */
import { CALIBRATED_CRITERIA, type CalibratedOptions } from "../calibrate/options.ts";
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { InputError, type Problem, refuseInput } from "../core/either.ts";
import { openCheckpointOrThrow } from "../node/checkpoint-reader.ts";
import { copySink } from "../node/checkpoint-writer.ts";
import { turn } from "../node/turn.ts";
import type { Profile } from "../prune/config.ts";
import { formatPattern, type Pattern, parsePattern } from "../prune/pattern.ts";
import { type CalibratedCheckpoint, writeCalibrated } from "../run/calibrated-pruning.ts";
import type { StatedModel } from "../run/model-evidence.ts";
import { findCopied, withCheckpoint, withProgress } from "./checkpoint-run.ts";
import type { ExitCode } from "./command.ts";
import type { Console } from "./console.ts";
import type { OptionValues } from "./options.ts";
import {
  type LAYER_OPTIONS,
  type ROLE_OPTIONS,
  readLayerChoice,
  readModelStatements,
} from "./tensor-roles.ts";

type Criterion = CalibratedOptions["criterion"];

/** The options of `prune` that apply to statistics. */
interface CalibratedValues
  extends OptionValues<typeof LAYER_OPTIONS>,
    OptionValues<typeof ROLE_OPTIONS> {
  readonly out?: string | undefined;
  readonly pattern?: string | undefined;
  readonly sparsity?: number | undefined;
  readonly profile?: Profile | undefined;
  readonly statistics?: string | undefined;
  readonly damping?: number | undefined;
  readonly maxCycles?: number | undefined;
}

/** A finished run, and what to print with it. */
interface Finished {
  readonly result: CalibratedCheckpoint;
  readonly from: string;
  readonly to: string;
  readonly order: StatedModel["order"];
  readonly seconds: number;
}

/** Options that have no meaning for statistics: each layer has its own target, and single weights are scored. */
const OTHERS = [
  "scope",
  "scoreReduction",
  "minSparsityPerLayer",
  "maxSparsityPerLayer",
  "minHeads",
  "config",
  "gradients",
  "threads",
  "gzip",
] as const;

/** Options of a single criterion. */
const OWN_OPTIONS = [
  ["damping", "sparsegpt"],
  ["maxCycles", "dsnot"],
] as const;

/** Whether a criterion needs statistics of inputs. */
export function isCalibrated(criterion: string | undefined): criterion is Criterion {
  return CALIBRATED_CRITERIA.some((one) => one === criterion);
}

/** Refuses options for statistics with a criterion that reads none. */
export function refuseStatistics({ statistics, damping, maxCycles }: CalibratedValues): void {
  for (const [key, value] of Object.entries({ statistics, damping, maxCycles }))
    if (value !== undefined)
      refuseInput(`\`${key}\``, `a criterion of ${CALIBRATED_CRITERIA.join(", ")} with it`, "none");
}

function patternProblems({ pattern: text, sparsity, profile }: CalibratedValues): Problem[] {
  const pattern: Pattern | undefined = text === undefined ? undefined : parsePattern(text);
  const isElement = pattern !== undefined && formatPattern(pattern) === "1x1";
  if (pattern === undefined || (pattern.kind !== "group" && !isElement))
    return [{ path: "`pattern`", expected: "1x1 or N:M, such as 2:4", got: text ?? "none" }];
  if (pattern.kind !== "group")
    return sparsity === undefined
      ? [{ path: "`sparsity`", expected: "a number at least 0 and below 1", got: "none" }]
      : [];
  const most = pattern.prune / pattern.of;
  if (most === 1)
    return [
      { path: "`pattern`", expected: "a pattern N:M with N less than M", got: text ?? "none" },
    ];
  if (sparsity === undefined || sparsity === most) return [];
  const path = "`sparsity`";
  if (profile === "inc")
    return [{ path, expected: `${most}, as inc always prunes, or none`, got: String(sparsity) }];
  return sparsity < most
    ? []
    : [{ path, expected: `at most ${most} for ${text}`, got: String(sparsity) }];
}

function problemsOf(
  criterion: Criterion,
  values: CalibratedValues & Readonly<Record<string, unknown>>,
): readonly Problem[] {
  return [
    ...OTHERS.filter((key) => values[key] !== undefined).map((key) => {
      const expected = `no such option with the criterion ${criterion}`;
      return { path: `\`${key}\``, expected, got: "one" };
    }),
    ...OWN_OPTIONS.flatMap(([key, owner]) =>
      values[key] === undefined || criterion === owner
        ? []
        : [{ path: `\`${key}\``, expected: `the criterion ${owner} with it`, got: criterion }],
    ),
    ...(values.statistics === undefined
      ? [{ path: "`statistics`", expected: `a file of statistics for ${criterion}`, got: "none" }]
      : []),
    ...patternProblems(values),
  ];
}

function optionsOf(
  criterion: Criterion,
  { pattern = "1x1", sparsity, profile = "strict", damping, maxCycles }: CalibratedValues,
): CalibratedOptions {
  const shared = {
    pattern: parsePattern(pattern) ?? refuseInput("`pattern`", "1x1 or N:M", pattern),
    profile,
    ...(sparsity !== undefined && { targetSparsity: sparsity }),
  };
  switch (criterion) {
    case "sparsegpt":
      return { criterion, ...shared, ...(damping !== undefined && { damping }) };
    case "wanda":
      return { criterion, ...shared };
    case "dsnot":
      return { criterion, ...shared, ...(maxCycles !== undefined && { maxCycles }) };
    default:
      return criterion satisfies never;
  }
}

/** Runs `prune` for a criterion that reads statistics. `print` prints the result. */
export async function pruneCalibratedCommand(
  criterion: Criterion,
  values: CalibratedValues & Readonly<Record<string, unknown>>,
  from: string,
  console: Console,
  print: (checkpoint: Checkpoint, finished: Finished) => void,
): Promise<ExitCode> {
  const problems = problemsOf(criterion, values);
  if (problems.length > 0) throw new InputError(problems);
  const { statistics: path = "" } = values;
  const options = optionsOf(criterion, values);
  const choice = readLayerChoice(values);
  const { place, to } = await findCopied(from, values.out, "the copy");
  const { evidence, modules, order } = await readModelStatements(place, values);
  return withCheckpoint(place, async (checkpoint) => {
    const statistics = await openCheckpointOrThrow(path);
    try {
      const { result, seconds } = await withProgress(console, "prune", (onProgress) =>
        writeCalibrated(
          {
            checkpoint,
            statistics,
            options,
            ...choice,
            evidence,
            modules,
            turn: () => turn(console.signal),
            onProgress,
          },
          copySink({ from: place.path, to }),
        ),
      );
      print(checkpoint, { result, from, to, order, seconds });
      return 0;
    } finally {
      statistics.close();
    }
  });
}
