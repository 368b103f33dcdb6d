/** The reference makes the masks that INC made, step by step, in all recorded trajectories. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { at, openCase, tensorValues } from "../../src/conform/case-files.ts";
import {
  initialRecords,
  type PruningCase,
  readPruningCase,
} from "../../src/conform/pruning-case.ts";
import { InputError } from "../../src/core/either.ts";
import { parsePruningConfigOrThrow } from "../../src/prune/parse.ts";
import { prunedBlocks } from "../../src/reference/count.ts";
import { elements, weightMatrix } from "../../src/reference/matrix.ts";
import { Refusal } from "../../src/reference/refusal.ts";
import type { ReferencePruner, ReferenceState } from "../../src/reference/state.ts";
import {
  type Moment,
  type ReferenceStep,
  startedTrajectory,
  steppedTrajectory,
} from "../../src/reference/trajectory.ts";
import { runsOf } from "./runs.ts";

const casesAt = join(process.env.ESPALIER_GOLDEN ?? "", "pruning");
const names = readdirSync(casesAt).filter((name) => existsSync(join(casesAt, name, "case.json")));

function readCase(name: string): PruningCase {
  const json = readFileSync(join(casesAt, name, "case.json"), "utf8");
  const tensors = new Uint8Array(readFileSync(join(casesAt, name, "tensors.safetensors")));
  return readPruningCase(openCase({ name, json, tensors }));
}

/** Gradients as stated, and plain gradient descent in float32; retrain_free never updates a weight. */
function stepOf(
  { files, learningRate, drive }: PruningCase,
  step: number,
  { weights }: Moment,
): ReferenceStep {
  const rate = Math.fround(learningRate);
  const gradients = new Map(
    [...weights].map(([name, { length }]) => {
      const key = `grad/${step}/${name}`;
      return [name, files.tensors.has(key) ? tensorValues(files, key) : new Float32Array(length)];
    }),
  );
  const changes = new Map(
    [...gradients].map(([name, gradient]) => [
      name,
      gradient.map((value) => (drive === "retrain" ? 0 : -Math.fround(rate * value))),
    ]),
  );
  return { gradients, changes };
}

/** A mask as vectors state it: under block masks one entry for each block. */
function statedMask(
  { drive }: PruningCase,
  pruner: ReferencePruner,
  layer: ReferenceState,
): number[] {
  const { layout, mask, shape } = layer;
  if (drive === "grad" || !layout.divides) return [...mask];
  const flags = prunedBlocks(pruner.config.pattern, layout, weightMatrix(mask, shape), "inc");
  return elements(flags).map((flag) => 1 - flag);
}

/** The masks that a moment has, or those that the vector states at a step, one text for each. */
function masksAt(
  vector: PruningCase,
  { pruners }: Moment,
  step: number,
  stated: Map<string, string>,
): { readonly got: Record<string, string>; readonly expected: Record<string, string> } {
  const got: Record<string, string> = {};
  const expected: Record<string, string> = {};
  pruners.forEach((pruner, i) => {
    for (const layer of pruner.layers) {
      const owners = vector.pruners.filter((layers) => layers.includes(layer.name)).length;
      const name = owners > 1 ? `${layer.name}@${i}` : layer.name;
      const masks = { mask: statedMask(vector, pruner, layer), pmask: [...layer.applied] };
      for (const [kind, mask] of Object.entries(masks)) {
        for (const when of ["init", `${step}`])
          if (vector.files.tensors.has(`${kind}/${when}/${name}`))
            if (when !== "init" || !stated.has(`${kind} ${name}`))
              stated.set(
                `${kind} ${name}`,
                tensorValues(vector.files, `${kind}/${when}/${name}`).join(""),
              );
        if (kind === "pmask" && pruner.config.method !== "progressive") continue;
        const ones = "1".repeat(mask.length);
        got[`${kind} ${name}`] = mask.join("");
        expected[`${kind} ${name}`] = stated.get(`${kind} ${name}`) ?? ones;
      }
    }
  });
  return { got, expected };
}

/** Runs a case; throws where it differs. */
function replay(vector: PruningCase): void {
  const config = parsePruningConfigOrThrow(vector.config, {
    unknownKeys: "ignore",
    profile: "inc",
  });
  let moment = startedTrajectory(config, initialRecords(vector), { allowNothing: true });
  const stated = new Map<string, string>();
  const steps = vector.events.map(({ step }) => step);
  if (vector.error?.step != null) steps.push(vector.error.step);
  for (const step of steps) {
    const { begun, ended } = steppedTrajectory(moment, stepOf(vector, step, moment));
    const event = vector.events.find((one) => one.step === step);
    if (event !== undefined) {
      const { got, expected } = masksAt(vector, begun, step, stated);
      expect({ step, masks: got }).toEqual({ step, masks: expected });
      for (const prune of event.prunes) {
        const last = begun.pruners[at.number(prune, "pruner")]?.lastEvent;
        const { zero_cnt: pruned, total_cnt: total } = at.object(prune, "pattern_sparsity");
        expect([last?.prunedBlocks, last?.totalBlocks]).toEqual([pruned, total]);
      }
    }
    moment = ended;
  }
}

describe("recorded trajectories", () => {
  // Each takes a while in the reference; the long run takes all of them.
  const chosen = names.filter((_, i) => i % 12 === 0 || runsOf(0) > 0);
  test.each(chosen)("%s", (name) => {
    const vector = readCase(name);
    if (vector.error === undefined) replay(vector);
    else
      expect(() => replay(vector)).toThrow(
        expect.toSatisfy((error) => error instanceof Refusal || error instanceof InputError),
      );
  });
});
