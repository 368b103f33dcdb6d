import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatProblem, getOrThrow, isLeft, isRight } from "../../src/core/either.ts";
import { type GlueTask, parseGlueRows, parseGlueTest, parseGlueTsv } from "../../src/io/glue.ts";
import { GLUE_TASKS, type GlueFormat } from "../../src/io/glue-tasks.ts";
import { needing } from "../needs.ts";
import { readSharedFile } from "./sources.ts";

const MRPC = "Quality\t#1 ID\t#2 ID\t#1 String\t#2 String";
const SST2 = "sentence\tlabel";

function problemsOf(task: GlueTask, text: string): readonly string[] {
  const result = parseGlueTsv(task, "train.tsv", text);
  if (isRight(result)) throw new Error("expected the file to be refused");
  return result.left.map(formatProblem);
}

test("pairs and single sentences", () => {
  expect(getOrThrow(parseGlueTsv("mrpc", "f", `\ufeff${MRPC}\n1\t7\t8\tOne .\tTwo .\n`))).toEqual([
    { text: "One .", textPair: "Two .", label: 1 },
  ]);
  expect(getOrThrow(parseGlueTsv("sst2", "f", `${SST2}\na film \t0\nanother\t1`))).toEqual([
    { text: "a film ", label: 0 },
    { text: "another", label: 1 },
  ]);
});

test("quotation marks quote nothing: not a column, not a line", () => {
  const text = `${MRPC}\n1\t7\t8\t" She said so .\tHe said " so\n0\t9\t9\t"\t""\n`;
  expect(getOrThrow(parseGlueTsv("mrpc", "f", text))).toEqual([
    { text: '" She said so .', textPair: 'He said " so', label: 1 },
    { text: '"', textPair: '""', label: 0 },
  ]);
});

test("lines may end as on any system, and only there", () => {
  for (const end of ["\n", "\r\n", "\r"]) {
    const text = [SST2, "one\u2028\u0085\u000btwo\t1", "three\t0", ""].join(end);
    expect(getOrThrow(parseGlueTsv("sst2", "f", text))).toEqual([
      { text: "one\u2028\u0085\u000btwo", label: 1 },
      { text: "three", label: 0 },
    ]);
  }
});

test("every broken row is reported with its line, what was expected and what was found", () => {
  const text = [SST2, "good\t1", "no label", "", "a\tb\t1", "x\t2", "y\t", "z\t01", " \t1", ""];
  expect(problemsOf("sst2", text.join("\n"))).toEqual([
    'train.tsv:3: expected 2 tab-separated columns (sentence, label), got 1: "no label"',
    'train.tsv:4: expected 2 tab-separated columns (sentence, label), got 1: ""',
    'train.tsv:5: expected 2 tab-separated columns (sentence, label), got 3: "a\\tb\\t1"',
    'train.tsv:6: expected a label from 0 to 1, got "2"',
    'train.tsv:7: expected a label from 0 to 1, got ""',
    'train.tsv:8: expected a label from 0 to 1, got "01"',
    "train.tsv:9: expected text in column sentence, got none",
  ]);
  expect(problemsOf("mrpc", `${MRPC}\n1\t7\t8\tone\t\nx\t7\t8\tone\ttwo`)).toEqual([
    "train.tsv:2: expected text in column #2 String, got none",
    'train.tsv:3: expected a Quality from 0 to 1, got "x"',
  ]);
});

test("of many broken rows, the first 20 are listed", () => {
  const problems = problemsOf("sst2", `${SST2}\n${"broken\n".repeat(25)}`);
  expect(problems).toHaveLength(21);
  expect(problems.at(-2)).toMatch(/^train\.tsv:21: /);
  expect(problems.at(-1)).toBe("train.tsv: expected no problems, got 5 more");
});

test("another task's file, a file without rows, an empty file", () => {
  expect(problemsOf("mrpc", `${SST2}\na\t1\n`)).toEqual([
    `train.tsv:1: expected the header ${JSON.stringify(MRPC)}, got ${JSON.stringify(SST2)}`,
  ]);
  expect(problemsOf("sst2", `${SST2}\n`)).toEqual([
    "train.tsv:2: expected at least one row, got end of file",
  ]);
  expect(problemsOf("sst2", "")[0]).toMatch(/^train\.tsv:1: expected the header .*, got ""$/);
});

test("any text is read or refused, never an exception; rows that are written are read", () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...'ab\t\n\r01"') }), (rows) => {
      const result = parseGlueTsv("sst2", "f", `${SST2}\n${rows}`);
      if (isLeft(result)) expect(result.left.length).toBeGreaterThan(0);
    }),
  );
  const sentence = fc.stringMatching(/^[a-z" ]*[a-z"][a-z" ]*$/);
  fc.assert(
    fc.property(fc.array(fc.tuple(sentence, fc.nat(1)), { minLength: 1 }), (rows) => {
      const text = rows.map(([words, label]) => `${words}\t${label}\n`).join("");
      expect(getOrThrow(parseGlueTsv("sst2", "f", `${SST2}\n${text}`))).toEqual(
        rows.map(([words, label]) => ({ text: words, label })),
      );
    }),
  );
});

describe(needing("shared data", "the real files"), () => {
  test.for<[GlueTask, string, number, number]>([
    ["mrpc", "glue/MRPC/train.tsv", 3668, 2474],
    ["mrpc", "glue/MRPC/dev.tsv", 408, 279],
    ["sst2", "glue/SST-2/train.tsv", 67349, 37569],
    ["sst2", "glue/SST-2/dev.tsv", 872, 444],
  ])("%s %s", ([task, path, rows, positive], { skip }) => {
    const text = readSharedFile("ESPALIER_DATA", path);
    if (text === undefined) return skip();
    const examples = getOrThrow(parseGlueTsv(task, path, text));
    expect(examples).toHaveLength(rows);
    expect(examples.filter(({ label }) => label === 1)).toHaveLength(positive);
  });
});

/** A row of a task's official file, and what it means. */
const OFFICIAL: readonly (readonly [
  task: GlueTask,
  header: string,
  row: string,
  example: object,
])[] = [
  ["cola", "", "gj04\t0\t*\tThey drank the pub.", { text: "They drank the pub.", label: 0 }],
  [
    "qnli",
    "index\tquestion\tsentence\tlabel",
    '0\tWho?\t"He did\tnot_entailment',
    { text: "Who?", textPair: '"He did', label: 1 },
  ],
  [
    "rte",
    "index\tsentence1\tsentence2\tlabel",
    "0\tIt rains.\tIt is wet.\tentailment",
    { text: "It rains.", textPair: "It is wet.", label: 0 },
  ],
  [
    "wnli",
    "index\tsentence1\tsentence2\tlabel",
    "0\tIt rains.\tIt is wet.\t1",
    { text: "It rains.", textPair: "It is wet.", label: 1 },
  ],
  [
    "qqp",
    "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate",
    "1\t2\t3\tWhy?\tHow?\t0",
    { text: "Why?", textPair: "How?", label: 0 },
  ],
  [
    "stsb",
    "index\tgenre\tfilename\tyear\told_index\tsource1\tsource2\tsentence1\tsentence2\tscore",
    "0\tmain\tMSRvid\t2012\t1\tnone\tnone\tA plane.\tA bird.\t4.250",
    { text: "A plane.", textPair: "A bird.", label: 4.25 },
  ],
  [
    "mnli",
    "index\tpromptID\tpairID\tgenre\tsentence1_binary_parse\tsentence2_binary_parse\tsentence1_parse\tsentence2_parse\tsentence1\tsentence2\tlabel1\tgold_label",
    "0\t1\t1n\tfiction\t( a )\t( b )\t(R)\t(R)\tIt rains.\tIt is wet.\tneutral\tcontradiction",
    { text: "It rains.", textPair: "It is wet.", label: 2 },
  ],
  [
    "mnli",
    "index\tpromptID\tpairID\tgenre\tsentence1_binary_parse\tsentence2_binary_parse\tsentence1_parse\tsentence2_parse\tsentence1\tsentence2\tlabel1\tlabel2\tlabel3\tlabel4\tlabel5\tgold_label",
    "0\t1\t1n\tfiction\t( a )\t( b )\t(R)\t(R)\tIt rains.\tIt is wet.\tneutral\tneutral\tentailment\tneutral\tneutral\tneutral",
    { text: "It rains.", textPair: "It is wet.", label: 1 },
  ],
];

test.each(OFFICIAL)(
  "a row of %s is read from its official columns",
  (task, header, row, example) => {
    const text = header === "" ? `${row}\n` : `${header}\n${row}\n`;
    expect(getOrThrow(parseGlueTsv(task, "train.tsv", text))).toEqual([example]);
    const { text: first, textPair } = example as { text: string; textPair?: string };
    const { testColumns } = GLUE_TASKS[task];
    const { text: column, textPair: other }: GlueFormat = GLUE_TASKS[task];
    const fields = testColumns.map((name) =>
      name === column ? first : name === other ? (textPair ?? "") : "0",
    );
    const test = `${testColumns.join("\t")}\n${fields.join("\t")}\n`;
    const unlabelled = textPair === undefined ? { text: first } : { text: first, textPair };
    expect(getOrThrow(parseGlueTest(task, "test.tsv", test))).toEqual([unlabelled]);
  },
);

test("labels by name and scores are refused by line", () => {
  const rte = "index\tsentence1\tsentence2\tlabel";
  expect(problemsOf("rte", `${rte}\n0\ta\tb\tneutral\n`)).toEqual([
    'train.tsv:2: expected a label: entailment or not_entailment, got "neutral"',
  ]);
  expect(problemsOf("cola", "gj04\t2\t\tfine\n")).toEqual([
    'train.tsv:1: expected a label from 0 to 1, got "2"',
  ]);
  const [, header = "", row = ""] = OFFICIAL.find(([task]) => task === "stsb") ?? [];
  for (const score of ["5.1", "-1", "", "high", "1e0"])
    expect(problemsOf("stsb", `${header}\n${row.replace("4.250", score)}\n`)).toEqual([
      `train.tsv:2: expected a score from 0 to 5, got ${JSON.stringify(score)}`,
    ]);
});

test("rows of QQP with missing columns are passed over, as datasets does", () => {
  const [, header = "", row = ""] = OFFICIAL.find(([task]) => task === "qqp") ?? [];
  const text = `${header}\n7\t8\t9\tWhy?\n${row}\n`;
  expect(getOrThrow(parseGlueTsv("qqp", "train.tsv", text))).toHaveLength(1);
  const lines = getOrThrow(parseGlueRows("qqp", "train.tsv", text, (_, line) => line));
  expect(lines).toEqual([1 + text.split("\n").indexOf(row)]);
  expect(problemsOf("qqp", `${header}\n${row}\tmore\n`)).toHaveLength(1);
});
