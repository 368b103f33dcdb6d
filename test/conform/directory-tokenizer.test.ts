import { expect, test } from "vitest";
import { replayDirectoryTokenizer } from "../../src/conform/directory-tokenizer.ts";
import { createTokenizer } from "../../src/io/tokenizer.ts";

const tokenizer = createTokenizer("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\ntree\n");

function verdict(line: object): string {
  const [only] = replayDirectoryTokenizer("t/cases.jsonl", `${JSON.stringify(line)}\n`, tokenizer);
  if (only === undefined) throw new Error("expected a verdict");
  return only.passed ? "passed" : `${only.difference?.quantity ?? ""}`;
}

const TREE = { text: "tree", text_pair: null, max_length: null };

test.each([
  [{ ...TREE, input_ids: [2, 5, 3], token_type_ids: [0, 0, 0] }, "passed"],
  [{ ...TREE, input_ids: [2, 5, 3], token_type_ids: [0, 0, 1] }, "token_type_ids"],
  [{ ...TREE, input_ids: [2, 5], token_type_ids: [0, 0, 0] }, "input_ids"],
  [
    {
      ...TREE,
      add_special_tokens: false,
      input_ids: [5],
      token_type_ids: [0],
      attention_mask: [1],
    },
    "passed",
  ],
  [
    { ...TREE, input_ids: [2, 5, 3], token_type_ids: [0, 0, 0], attention_mask: [1, 1, 0] },
    "attention_mask",
  ],
  [
    {
      ...TREE,
      text_pair: "",
      input_ids: [2, 5, 3],
      token_type_ids: [0, 0, 0],
      batched_input_ids: [2, 5, 3, 3],
      batched_token_type_ids: [0, 0, 0, 1],
    },
    "passed",
  ],
  [
    {
      ...TREE,
      text_pair: "",
      input_ids: [2, 5, 3],
      token_type_ids: [0, 0, 0],
      batched_input_ids: [2, 5, 3],
      batched_token_type_ids: [0, 0, 0],
    },
    "batched_input_ids",
  ],
])("%j: %s", (line, expected) => {
  expect(verdict(line)).toContain(expected);
});

test("lines that are not cases fail", () => {
  for (const line of ["[]", "{}", '{"text":1}', '{"text":"","input_ids":"a"}', "{"])
    expect(replayDirectoryTokenizer("x", line, tokenizer)[0]?.passed).toBe(false);
});
