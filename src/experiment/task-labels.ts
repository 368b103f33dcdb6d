/** The labels of a task, and a model's configuration with them, as transformers stores them. */
import type { RowColumns } from "../io/rows/columns.ts";
import type { ProblemType } from "../io/rows/labels.ts";
import { type ModelConfig, parseModelConfigOrThrow } from "../model/config.ts";

/** What the outputs of a task's model mean. */
export interface TaskLabels {
  readonly problemType: ProblemType;
  /** The names of the labels in the order of their ids; null for regression. */
  readonly names: readonly string[] | null;
  /** Whether a model with as many labels of other names keeps its names and its head. */
  readonly yieldsToModel: boolean;
  /** The columns of the rows, which the model keeps as defaults; null if the task has a form of its own. */
  readonly rows: StoredColumns | null;
}

/** How the rows of a model's training file are read. */
export interface StoredColumns extends RowColumns {
  readonly labelSeparator: string | null;
}

/** The key of config.json with the columns of the training file. */
const ROWS_KEY = "espalier_rows";

/** The key of config.json with the maximum number of tokens in an input of training. */
const LENGTH_KEY = "espalier_max_length";

/** Returns the contents of config.json with the maximum number of tokens in an input of training. */
export function withMaxLength(
  source: ModelConfig["source"],
  maxLength: number,
): ModelConfig["source"] {
  return { ...source, [LENGTH_KEY]: maxLength };
}

/** Returns the maximum number of tokens in an input of training, if the configuration states it. */
export function storedMaxLength({ source }: ModelConfig): number | undefined {
  const stored = source[LENGTH_KEY];
  return typeof stored === "number" && Number.isInteger(stored) && stored >= 3 ? stored : undefined;
}

/** Returns the names of a configuration's labels; undefined if it states none, or transformers' `LABEL_0` and so on. */
export function labelNames({ labels, source }: ModelConfig): readonly string[] | undefined {
  const { id2label } = source;
  if (typeof id2label !== "object" || id2label === null) return undefined;
  const names = Array.from({ length: labels }, (_, id) => {
    const name = (id2label as Readonly<Record<string, unknown>>)[String(id)];
    return typeof name === "string" ? name : defaultName(id);
  });
  return names.every((name, id) => name === defaultName(id)) ? undefined : names;
}

function defaultName(id: number): string {
  return `LABEL_${id}`;
}

/** Whether the head of a model with this configuration is a head for these labels. */
export function hasHeadFor(config: ModelConfig, labels: TaskLabels): boolean {
  if (config.labels !== (labels.names?.length ?? 1)) return false;
  const own = labelNames(config);
  if (own === undefined || labels.names === null) return true;
  const isSame = isSameOrder(own, labels.names);
  return isSame || (labels.yieldsToModel && !isReordered(own, labels.names));
}

function isSameOrder(a: readonly string[], b: readonly string[]): boolean {
  return a.every((name, id) => name === b[id]);
}

/** Whether names are those of a task in another order, in any case. Then ids have other meanings. */
function isReordered(names: readonly string[], ofTask: readonly string[]): boolean {
  const lower = names.map((name) => name.toLowerCase());
  return ofTask.every((name) => lower.includes(name)) && !isSameOrder(lower, ofTask);
}

/** Returns the configuration with the labels of a task, and with the columns of its rows. */
export function withLabels(config: ModelConfig, labels: TaskLabels): ModelConfig {
  const { num_labels, id2label, label2id, problem_type, [ROWS_KEY]: _, ...rest } = config.source;
  const own = labels.yieldsToModel && hasHeadFor(config, labels) ? labelNames(config) : undefined;
  const names = own ?? labels.names ?? [defaultName(0)];
  return parseModelConfigOrThrow({
    ...rest,
    id2label: Object.fromEntries(names.map((name, id) => [String(id), name])),
    label2id: Object.fromEntries(names.map((name, id) => [name, id])),
    problem_type: labels.problemType,
    ...(labels.rows === null ? {} : { [ROWS_KEY]: columnKeys(labels.rows) }),
  });
}

function columnKeys({ text, textPair, label, labelSeparator }: StoredColumns) {
  return {
    text_column: text,
    text_pair_column: textPair,
    label_column: label,
    label_separator: labelSeparator,
  };
}

/** Returns how the rows of a model's training file were read, if its configuration says so. */
export function storedColumns({ source }: ModelConfig): StoredColumns | undefined {
  const stored = source[ROWS_KEY];
  if (typeof stored !== "object" || stored === null) return undefined;
  const {
    text_column: text,
    text_pair_column: textPair = null,
    label_column: label = null,
    label_separator: labelSeparator = null,
  } = stored as Readonly<Record<string, unknown>>;
  if (typeof text !== "string" || !isTextOrNull(textPair) || !isTextOrNull(labelSeparator))
    return undefined;
  const isList = Array.isArray(label) && label.every((name) => typeof name === "string");
  if (!isList && !isTextOrNull(label)) return undefined;
  return { text, textPair, label, labelSeparator };
}

function isTextOrNull(value: unknown): value is string | null {
  return value === null || typeof value === "string";
}
