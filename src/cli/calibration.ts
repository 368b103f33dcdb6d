/** Computes the ranges of layers' inputs for `espalier export --calibrate`. */
import { getOrThrow, InputError } from "../core/either.ts";
import { pairProblems } from "../experiment/model-fit.ts";
import { chooseVariant } from "../node/engine.ts";
import { storageReadingTwice } from "../node/storage.ts";
import { createNodeBackend } from "../node/threaded-backend.ts";
import { turn } from "../node/turn.ts";
import type { InputRange } from "../onnx/weights.ts";
import { createCalibration } from "../run/calibration.ts";
import { longestInput } from "../run/encoded-logits.ts";
import { inferInWindows } from "../run/inference.ts";
import { rowOptionsFor } from "../run/model-labels.ts";
import { readPredictionRows } from "../run/prediction-rows.ts";
import type { InferenceRows } from "../run/row-passes.ts";
import type { OpenClassifier } from "../run/sparse-classifier.ts";
import type { Console } from "./console.ts";
import { createRowProgress, describeRows, rowFileProblems } from "./inference.ts";
import type { OptionValues } from "./options.ts";
import type { ROW_OPTIONS } from "./row-options.ts";

const OPTION = "--calibrate";
const BATCH_SIZE = 32;

/** A model in a directory, and a file of rows. */
interface CalibrationRequest {
  readonly directory: string;
  readonly open: OpenClassifier;
  readonly path: string;
  readonly values: OptionValues<typeof ROW_OPTIONS>;
}

/** Computes all rows of a file, and returns the range of the input of each linear layer, by name. */
export async function calibrate(
  request: CalibrationRequest,
  console: Console,
): Promise<ReadonlyMap<string, InputRange>> {
  const rows = await readCalibrationRows(request, console);
  const { open } = request;
  const chosen = await chooseVariant("auto", console.engine);
  for (const note of chosen.failures) console.err.write(`${note}\n`);
  const backend = await createNodeBackend({ variant: chosen.variant });
  const progress = createRowProgress(console, "calibrate", rows.count);
  try {
    const { classifier, ranges } = createCalibration(backend, open.config, open.read);
    const settings = {
      batchSize: BATCH_SIZE,
      maxLength: longestInput(open, undefined),
      turn: () => turn(console.signal),
      onBatch: progress.add,
    };
    const model = { classifier, tokenizer: open.tokenizer };
    const placeOf = ({ line }: { readonly line: number }): string => `${rows.path}:${line}`;
    await inferInWindows(model, rows.pieces, settings, placeOf, () => {});
    return ranges;
  } finally {
    progress.finish();
    backend.stop();
  }
}

async function readCalibrationRows(
  { directory, open: { config }, path, values }: CalibrationRequest,
  console: Console,
): Promise<InferenceRows> {
  const problems = await rowFileProblems(OPTION, path, values);
  if (problems.length > 0) throw new InputError(problems);
  const settings = { name: path, options: rowOptionsFor(config, values) };
  const storage = await storageReadingTwice(path);
  const read = await readPredictionRows(storage, settings, () => turn(console.signal));
  const rows = getOrThrow(read);
  const unfit = pairProblems(OPTION, { path: directory, value: { config } }, rows.hasPairs);
  if (unfit.length > 0) throw new InputError(unfit);
  describeRows(console, rows);
  return rows;
}
