import { describe, expect, test } from "vitest";
import { formatProblem } from "../../src/core/either.ts";
import { listNames, modelFit, pairProblems } from "../../src/experiment/model-fit.ts";
import { createTokenizer } from "../../src/io/tokenizer.ts";
import { parseModelConfigOrThrow } from "../../src/model/config.ts";
import { parameterList } from "../../src/model/parameters.ts";
import { CONFIG, VOCABULARY } from "../cli/fixtures.ts";

const config = parseModelConfigOrThrow(CONFIG);
const parameters = parameterList(config);
const tokenizer = createTokenizer(VOCABULARY);
const weights = "dir/model.safetensors";

/** The problems and notices of a model with some of its parameters and other tensors. */
function reportOn(
  keeps: (name: string) => boolean,
  { needsHead = true, unused = [] as readonly string[] } = {},
) {
  const kept = parameters.filter(({ name }) => keeps(name));
  const tensors = new Map(kept.map(({ name, shape }) => [name, { shape }]));
  const value = { config, tokenizer, weights, tensors, unused };
  const { problems, notices } = modelFit({ path: "dir", value }, needsHead);
  return { problems: problems.map(formatProblem), notices };
}

test("up to four names are listed, of more the first three", () => {
  expect(listNames(["a"])).toBe("a");
  expect(listNames(["a", "b", "c", "d"])).toBe("a, b, c, d");
  expect(listNames([..."abcde"])).toBe("5 tensors (a, b, c and 2 more)");
});

test.each([
  [127, []],
  [
    128,
    [
      `dir/vocab.txt: ${tokenizer.vocabulary.tokens.length} tokens for ` +
        `${tokenizer.vocabulary.tokens.length + 128} rows of the model's embeddings; is it the model's tokenizer?`,
    ],
  ],
])("a vocabulary with %i tokens less than the model has rows", (less, notices) => {
  const larger = { ...config, vocabularySize: tokenizer.vocabulary.tokens.length + less };
  const tensors = new Map(parameterList(larger).map(({ name, shape }) => [name, { shape }]));
  const value = { config: larger, tokenizer, weights, tensors, unused: [] };
  expect(modelFit({ path: "dir", value }, true)).toEqual({ problems: [], notices });
});

describe("tensors and parameters", () => {
  test("that agree are not mentioned", () => {
    expect(reportOn(() => true)).toEqual({ problems: [], notices: [] });
  });

  test("without use are a notice of one line", () => {
    const unused = Array.from({ length: 16 }, (_, i) => `t${i}`);
    expect(reportOn(() => true, { unused })).toEqual({
      problems: [],
      notices: ["dir: not used: 16 tensors (t0, t1, t2 and 13 more)"],
    });
  });

  test("of a head are initialised unless it is needed", () => {
    const isEncoder = (name: string): boolean => !/pooler|classifier/.test(name);
    const names =
      "bert.pooler.dense.weight, bert.pooler.dense.bias, classifier.weight, classifier.bias";
    expect(reportOn(isEncoder, { needsHead: false })).toEqual({
      problems: [],
      notices: [`dir: newly initialised: ${names}`],
    });
    expect(reportOn(isEncoder)).toEqual({
      problems: [
        `${weights}: expected all 25 tensors of a bert classifier, got 21; missing: ${names}`,
      ],
      notices: [],
    });
  });

  test("that are missing are one problem, with those that are not used", () => {
    const unused = ["bert.encoder.layers.0.x"];
    const isOther = (name: string): boolean => !/encoder|classifier/.test(name);
    const [problem, ...more] = reportOn(isOther, { needsHead: false, unused }).problems;
    expect(more).toEqual([]);
    expect(problem).toBe(
      `${weights}: expected all 25 tensors of a bert classifier, got 7; missing: 18 tensors ` +
        "(bert.encoder.layer.0.attention.self.query.weight, bert.encoder.layer.0.attention.self.query.bias, " +
        "bert.encoder.layer.0.attention.self.key.weight and 15 more); not used: bert.encoder.layers.0.x",
    );
  });

  test("that have nothing in common are one problem", () => {
    const unused = [..."abcdef"];
    const expected = "tensors of a bert classifier, such as bert.embeddings.word_embeddings.weight";
    for (const needsHead of [true, false]) {
      expect(reportOn(() => false, { needsHead, unused }).problems).toEqual([
        `${weights}: expected ${expected}, got 6 tensors (a, b, c and 3 more)`,
      ]);
      expect(reportOn(() => false, { needsHead }).problems).toEqual([
        `${weights}: expected ${expected}, got none`,
      ]);
    }
  });

  test("of the head alone are those of another model, whatever their shapes", () => {
    const tensors = new Map([["classifier.bias", { shape: [3] }]]);
    const value = { config, tokenizer, weights, tensors, unused: ["encoder.bias"] };
    const { problems } = modelFit({ path: "dir", value }, true);
    expect(problems.map(formatProblem)).toEqual([
      `${weights}: expected tensors of a bert classifier, such as bert.embeddings.word_embeddings.weight, got encoder.bias, classifier.bias`,
    ]);
  });

  test("of other shapes are all problems", () => {
    const tensors = new Map(parameters.map(({ name }) => [name, { shape: [3] }]));
    const value = { config, tokenizer, weights, tensors, unused: [] };
    const { problems } = modelFit({ path: "dir", value }, true);
    expect(problems.map(formatProblem)).toEqual(
      parameters.map(
        ({ name, shape }) =>
          `${weights}: ${name}: expected a tensor of shape [${shape.join(", ")}], got [3]`,
      ),
    );
  });
});

test("a vocabulary may have fewer tokens than the model, and not more", () => {
  const value = { config, tokenizer, weights, unused: [] };
  const tensors = new Map(parameters.map(({ name, shape }) => [name, { shape }]));
  const problemsWith = (vocabulary: string): readonly string[] => {
    const changed = { ...value, tensors, tokenizer: createTokenizer(vocabulary) };
    return modelFit({ path: "dir/", value: changed }, true).problems.map(formatProblem);
  };
  expect(problemsWith(VOCABULARY.replace("not\n", ""))).toEqual([]);
  expect(problemsWith(`${VOCABULARY}more\n`)).toEqual([
    "dir/vocab.txt: expected at most the 21 tokens of the model, got 22",
  ]);
});

test("pairs need two token types, in BERT", () => {
  const named = (source: object) => ({
    path: "dir",
    value: { config: parseModelConfigOrThrow(source) },
  });
  const one = named({ ...CONFIG, type_vocab_size: 1 });
  expect(pairProblems("--text-pair", one, true).map(formatProblem)).toEqual([
    "--text-pair: expected a model of at least 2 token types for pairs of texts, got type_vocab_size 1 in dir/config.json",
  ]);
  expect(pairProblems("--text-pair", one, false)).toEqual([]);
  expect(pairProblems("--text-pair", named(CONFIG), true)).toEqual([]);
  expect(pairProblems("--text-pair", named({ model_type: "distilbert" }), true)).toEqual([]);
  expect(pairProblems("--text-pair", undefined, true)).toEqual([]);
});
