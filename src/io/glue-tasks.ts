/** The nine tasks of the GLUE benchmark: their official files, labels and metrics (Wang et al., ICLR 2019). */
import type { MetricName } from "../core/metric-names.ts";

/** The name of a task, as in the scripts of transformers. */
export type GlueTask = "cola" | "mnli" | "mrpc" | "qnli" | "qqp" | "rte" | "sst2" | "stsb" | "wnli";

export interface GlueFormat {
  /** The columns of files with labels. The files of CoLA have no header, so the names are not in them. */
  readonly columns: readonly string[];
  /** The columns of files with labels for evaluation, if they differ. */
  readonly evaluationColumns?: readonly string[];
  readonly hasHeader: boolean;
  readonly testColumns: readonly string[];
  /** The columns of the texts and of the label. */
  readonly text: string;
  readonly textPair?: string;
  readonly label: string;
  /** The names of the labels in the order of their ids, as in `datasets`; null for regression. */
  readonly names: readonly string[] | null;
  /** Whether files have the names of labels and not their ids. */
  readonly writesNames?: boolean;
  /** Whether rows with missing columns are passed over, as `datasets` does. */
  readonly skipsShortRows?: boolean;
  /** The metrics of the benchmark. The first one is the metric by which models are compared. */
  readonly metrics: readonly [MetricName, ...MetricName[]];
  /** The files with evaluation rows, without `.tsv`. The first one is evaluated after every epoch. */
  readonly evaluations: readonly [string, ...string[]];
}

const DEV: readonly [string] = ["dev"];
const ENTAILMENT = ["entailment", "not_entailment"];
// Bundlers drop calls that are marked as pure and unused, but no spreads of variables.
const MNLI_TEXTS = [
  ...["index", "promptID", "pairID", "genre", "sentence1_binary_parse", "sentence2_binary_parse"],
  ...["sentence1_parse", "sentence2_parse", "sentence1", "sentence2"],
];
const STSB_TEXTS = [
  ...["index", "genre", "filename", "year", "old_index", "source1", "source2"],
  ...["sentence1", "sentence2"],
];

/** Every task by its name in transformers' scripts. */
export const GLUE_TASKS: Readonly<Record<GlueTask, GlueFormat>> = /* @__PURE__ */ Object.freeze({
  cola: {
    columns: ["source", "label", "mark", "sentence"],
    hasHeader: false,
    testColumns: ["index", "sentence"],
    text: "sentence",
    label: "label",
    names: ["unacceptable", "acceptable"],
    metrics: ["matthews"],
    evaluations: DEV,
  },
  mnli: {
    columns: /* @__PURE__ */ MNLI_TEXTS.concat(["label1", "gold_label"]),
    evaluationColumns: /* @__PURE__ */ MNLI_TEXTS.concat(
      ["label1", "label2", "label3", "label4", "label5"],
      ["gold_label"],
    ),
    hasHeader: true,
    testColumns: MNLI_TEXTS,
    text: "sentence1",
    textPair: "sentence2",
    label: "gold_label",
    names: ["entailment", "neutral", "contradiction"],
    writesNames: true,
    metrics: ["accuracy"],
    evaluations: ["dev_matched", "dev_mismatched"],
  },
  mrpc: {
    columns: ["Quality", "#1 ID", "#2 ID", "#1 String", "#2 String"],
    hasHeader: true,
    testColumns: ["index", "#1 ID", "#2 ID", "#1 String", "#2 String"],
    text: "#1 String",
    textPair: "#2 String",
    label: "Quality",
    names: ["not_equivalent", "equivalent"],
    metrics: ["f1", "accuracy"],
    evaluations: DEV,
  },
  qnli: {
    columns: ["index", "question", "sentence", "label"],
    hasHeader: true,
    testColumns: ["index", "question", "sentence"],
    text: "question",
    textPair: "sentence",
    label: "label",
    names: ENTAILMENT,
    writesNames: true,
    metrics: ["accuracy"],
    evaluations: DEV,
  },
  qqp: {
    columns: ["id", "qid1", "qid2", "question1", "question2", "is_duplicate"],
    hasHeader: true,
    testColumns: ["id", "question1", "question2"],
    text: "question1",
    textPair: "question2",
    label: "is_duplicate",
    names: ["not_duplicate", "duplicate"],
    skipsShortRows: true,
    metrics: ["f1", "accuracy"],
    evaluations: DEV,
  },
  rte: {
    columns: ["index", "sentence1", "sentence2", "label"],
    hasHeader: true,
    testColumns: ["index", "sentence1", "sentence2"],
    text: "sentence1",
    textPair: "sentence2",
    label: "label",
    names: ENTAILMENT,
    writesNames: true,
    metrics: ["accuracy"],
    evaluations: DEV,
  },
  sst2: {
    columns: ["sentence", "label"],
    hasHeader: true,
    testColumns: ["index", "sentence"],
    text: "sentence",
    label: "label",
    names: ["negative", "positive"],
    metrics: ["accuracy"],
    evaluations: DEV,
  },
  stsb: {
    columns: /* @__PURE__ */ STSB_TEXTS.concat("score"),
    hasHeader: true,
    testColumns: STSB_TEXTS,
    text: "sentence1",
    textPair: "sentence2",
    label: "score",
    names: null,
    metrics: ["pearson", "spearman"],
    evaluations: DEV,
  },
  wnli: {
    columns: ["index", "sentence1", "sentence2", "label"],
    hasHeader: true,
    testColumns: ["index", "sentence1", "sentence2"],
    text: "sentence1",
    textPair: "sentence2",
    label: "label",
    names: ["not_entailment", "entailment"],
    metrics: ["accuracy"],
    evaluations: DEV,
  },
} satisfies Record<GlueTask, GlueFormat>);

/** The names of all tasks. */
export const GLUE_TASK_NAMES: readonly GlueTask[] = /* @__PURE__ */ Object.keys(
  GLUE_TASKS,
) as GlueTask[];
