/** What the outputs of a model mean, and how files are read for it. */
import { refuseInput } from "../core/either.ts";
import { storedColumns } from "../experiment/task-labels.ts";
import type { LabelColumn } from "../io/rows/label-column.ts";
import { type LabelMeaning, labelNumber } from "../io/rows/labels.ts";
import type { RowOptions } from "../io/rows/options.ts";
import type { ModelConfig } from "../model/config.ts";
import { inferProblemType } from "../train/labels.ts";
import type { OutputMeaning } from "./prediction.ts";

/**
 * Returns the meaning of a model's outputs. Their names are those of config.json. Like transformers, it calls an output
 * without a name `LABEL_` and its index, and infers a missing problem type.
 */
export function outputMeaning({ labels, problemType, source }: ModelConfig): OutputMeaning {
  const { id2label } = source;
  const stated = typeof id2label === "object" && id2label !== null ? id2label : {};
  const names = Array.from({ length: labels }, (_, id) => {
    const name = (stated as Readonly<Record<string, unknown>>)[String(id)];
    return typeof name === "string" ? name : defaultName(id);
  });
  return { problemType: problemType ?? inferProblemType(labels, 0), names };
}

/** Refuses a threshold for a model of one label a row. @throws InputError */
export function checkThreshold(
  threshold: number | undefined,
  { problemType }: Pick<OutputMeaning, "problemType">,
): void {
  if (threshold !== undefined && problemType !== "multi_label_classification")
    refuseInput("`threshold`", "a model of several labels a row", problemType);
}

function defaultName(id: number): string {
  return `LABEL_${id}`;
}

/**
 * Returns how the labels of a file are read for a model. If the model's labels have no names, labels are their ids, or
 * names such as `LABEL_0`.
 */
export function labelMeaning(
  { problemType, names }: OutputMeaning,
  { spellings }: LabelColumn,
): LabelMeaning {
  if (problemType === "regression") return { problemType, numeric: true, names: null };
  const isUnnamed = names.every((name, id) => name === defaultName(id));
  if (isUnnamed && !spellings.some((label) => names.includes(label)))
    return { problemType, numeric: true, names: names.map((_, id) => String(id)) };
  return { problemType, numeric: names.every(isNumber), names };
}

/** Whether a name is a number in the form that labels that are numbers get. */
function isNumber(name: string): boolean {
  return String(labelNumber(name)) === name;
}

/** Returns the options for reading rows. Columns that are not given are those of the model's training file. */
export function rowOptionsFor(config: ModelConfig, given: RowOptions): RowOptions {
  const stored = storedColumns(config);
  if (stored === undefined) return given;
  const { text, textPair, label, labelSeparator } = stored;
  const isPair = textPair !== null && given.textColumn === undefined;
  return {
    textColumn: text,
    ...(isPair && { textPairColumn: textPair }),
    ...(label !== null && { labelColumn: [label].flat() }),
    ...(labelSeparator !== null && given.labelColumn === undefined && { labelSeparator }),
    ...given,
  };
}
