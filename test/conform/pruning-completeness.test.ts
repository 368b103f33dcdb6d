import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { CaseFiles } from "../../src/conform/case-files.ts";
import { replayPruning } from "../../src/conform/pruning.ts";
import { readSafetensorsOrThrow, writeSafetensors } from "../../src/io/safetensors.ts";

const GOLDEN = join(import.meta.dirname, "../golden/pruning");
const QUERY = "bert.encoder.layer.0.attention.self.query";
const RECIPE = "4x1-snipmom-global-exp";

interface Hollowing {
  readonly kind: string;
  readonly slug?: string;
  /** Tensors whose names begin so are dropped. */
  readonly drop?: string;
  // biome-ignore lint/suspicious/noExplicitAny: the JSON of a trajectory
  readonly json?: (json: any) => void;
  /** The verdict's text. */
  readonly detail: string;
}

// biome-ignore lint/suspicious/noExplicitAny: the JSON of a trajectory
const prunedEvents = (json: any): any[] => json.events.filter((event: any) => event.prune);

const HOLLOWINGS: readonly Hollowing[] = [
  {
    kind: "scores",
    drop: "score/",
    detail: `step 4, layer ${QUERY}, score: expected a tensor, got none`,
  },
  {
    kind: "scores and the list of them",
    drop: "score/",
    json: (json) => {
      json.tensors.score_steps = {};
    },
    detail: `step 4, layer ${QUERY}, score: expected a tensor, got none`,
  },
  {
    kind: "the list of scores",
    json: (json) => {
      delete json.tensors.score_steps[QUERY];
    },
    detail: `score/10/${QUERY}: expected a tensor that case.json lists, got one that it does not`,
  },
  { kind: "final weights", drop: "wT/", detail: `layer ${QUERY}, wT: expected a tensor, got none` },
  { kind: "weights", drop: "w0/", detail: `layer ${QUERY}, w0: expected a tensor, got none` },
  {
    kind: "the list of weights",
    json: (json) => {
      json.tensors["w0,wT"].pop();
    },
    detail: "tensors.w0,wT length: expected 6, got 5",
  },
  {
    kind: "masks",
    drop: "mask/",
    detail: `step 7, layer ${QUERY}, mask: expected a tensor, got none`,
  },
  {
    kind: "applied masks",
    slug: "progressive-4x1",
    drop: "pmask/",
    detail: `layer ${QUERY}, pmask at the start: expected a tensor, got none`,
  },
  {
    kind: "gradients of block masks",
    slug: "block-mask-4x1",
    drop: "mgrad/",
    detail: `step 0, layer ${QUERY}, mgrad: expected a tensor, got none`,
  },
  {
    kind: "all prune steps",
    json: (json) => {
      for (const event of json.events) delete event.prune;
    },
    detail: "step 4, pruner 0: expected no prune step, got one",
  },
  {
    kind: "the last prune step",
    json: (json) => {
      delete prunedEvents(json).at(-1).prune;
    },
    detail: "step 16, pruner 0: expected no prune step, got one",
  },
  {
    kind: "a mask's zeros",
    json: (json) => {
      delete prunedEvents(json)[1].prune[0].zeros[QUERY];
    },
    detail: `step 7, layer ${QUERY}, pruner 0 mask zeros: expected a number, got none`,
  },
  {
    kind: "a step's statistics",
    json: (json) => {
      delete prunedEvents(json)[1].get_sparsity_ratio;
    },
    detail: "step 7, get_sparsity_ratio: expected 3 numbers, got none",
  },
  {
    kind: "steps, another number",
    json: (json) => {
      json.steps = 3;
    },
    detail: "steps: expected the number of events, 22, got 3",
  },
  {
    kind: "steps, a text",
    json: (json) => {
      json.steps = "3";
    },
    detail: 'steps: expected the number of events, 22, got "3"',
  },
  {
    kind: "steps, the right text",
    json: (json) => {
      json.steps = "22";
    },
    detail: 'steps: expected the number of events, 22, got "22"',
  },
  {
    kind: "an event",
    json: (json) => {
      json.events.splice(2, 1);
      json.steps -= 1;
    },
    detail: "step of event[2]: expected 2, got 3",
  },
  {
    kind: "layers",
    json: (json) => {
      json.layers.pop();
    },
    detail: "layers length: expected 6, got 5",
  },
  {
    kind: "sums of weights",
    json: (json) => {
      json.events[3].w_sum.pop();
    },
    detail: "step 3, w_sum: expected 6 layers, got 5",
  },
  {
    kind: "the end",
    json: (json) => {
      delete json.final;
    },
    detail: "final: expected an object, got none",
  },
  {
    kind: "shares at the end",
    json: (json) => {
      json.final.current_sparsity_ratio = [];
    },
    detail: "final.current_sparsity_ratio: expected 1 numbers, got 0",
  },
  {
    kind: "steps of a case that ends in an error",
    slug: "retrain-free-1xchannel-global",
    json: (json) => {
      json.steps = "6";
    },
    detail: 'steps: expected 5 or more, got "6"',
  },
  {
    kind: "a prune step before an error",
    slug: "retrain-free-1xchannel-global",
    json: (json) => {
      for (const event of json.events) delete event.prune;
    },
    detail: "step 0, pruner 0: expected no prune step, got one",
  },
];

function hollow({ slug = RECIPE, drop, json }: Hollowing): CaseFiles {
  const directory = join(GOLDEN, slug);
  const parsed = JSON.parse(readFileSync(join(directory, "case.json"), "utf8"));
  json?.(parsed);
  const bytes = new Uint8Array(readFileSync(join(directory, "tensors.safetensors")));
  const { tensors } = readSafetensorsOrThrow(bytes);
  const kept = [...tensors].filter(([name]) => drop === undefined || !name.startsWith(drop));
  return {
    name: slug,
    json: JSON.stringify(parsed),
    tensors: writeSafetensors(new Map(kept)),
  };
}

test.each(HOLLOWINGS)("a trajectory without $kind fails", (hollowing) => {
  const verdict = replayPruning(hollow(hollowing));
  expect(verdict.passed).toBe(false);
  expect(verdict.detail).toBe(hollowing.detail);
});
