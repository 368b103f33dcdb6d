import { expect, test } from "vitest";
import { runTitle } from "../../src/run/run-title.ts";

const RUN = { randomModel: "bert-mini", patterns: ["4x1"] };

test("a run is titled by model, data and pattern", () => {
  const title = runTitle({ ...RUN, model: "/models/minilm/", task: "mrpc", patterns: ["4x1"] });
  expect(title).toBe("minilm on MRPC, pruned to 4x1");
  expect(runTitle({ ...RUN, trainFile: "a/banking77/train.csv", patterns: [] })).toContain(
    "banking77/train.csv",
  );
  for (const trainFile of ["train.csv", "./train.csv", "../train.csv"])
    expect(runTitle({ ...RUN, trainFile, patterns: [] })).toMatch(/ on train\.csv$/);
  expect(runTitle({ ...RUN, trainFile: "rows/tickets.csv", patterns: [] })).toBe(
    "bert-mini from random weights on tickets.csv",
  );
});

test("patterns are listed once each, in their order", () => {
  const patterns = ["4x1", "2:4", "2:4", "1xchannel"];
  expect(runTitle({ ...RUN, task: "stsb", patterns })).toBe(
    "bert-mini from random weights on STS-B, pruned to 4x1, 2:4 and 1xchannel",
  );
});

test("a model of the hub's cache has its name there, and one of a run its whole path", () => {
  const named = { ...RUN, model: "google/bert_uncased_L-4", isHubName: true };
  expect(runTitle({ ...named, task: "sst2" })).toMatch(/^google\/bert_uncased_L-4 on SST-2,/);
  const cached = "/home/a/hub/models--google--bert_uncased_L-4/snapshots/0123abc";
  expect(runTitle({ ...RUN, model: cached, task: "sst2" })).toMatch(
    /^google\/bert_uncased_L-4 on SST-2,/,
  );
  expect(runTitle({ ...RUN, model: "runs/a/dense/", task: "rte" })).toMatch(
    /^runs\/a\/dense on RTE,/,
  );
});
