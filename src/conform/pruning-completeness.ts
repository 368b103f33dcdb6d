/**
 * Checks that a recorded trajectory is complete. The replay compares only recorded values, so it would not notice
 * missing ones.
 */

import { isJsonObject } from "../io/json.ts";
import type { PruningState } from "../prune/state.ts";
import { at, expectedError } from "./case-files.ts";
import { compare, type Difference, differenceAt, firstOf } from "./difference.ts";
import { type CaseEvent, hadScores, type PruningCase, tensorLayer } from "./pruning-case.ts";

/** The kinds of tensors that `case.json` lists by layer and step. */
const LISTED = ["mask", "pmask", "score"];

/** Returns a difference that describes the first missing part of a recorded trajectory; undefined if it is complete. */
export function completenessDifference(vector: PruningCase): Difference | undefined {
  return (
    eventsDifference(vector) ??
    layersDifference(vector) ??
    listedDifference(vector) ??
    firstOf(neededTensors(vector), (name) => missing(vector, name)) ??
    finalDifference(vector)
  );
}

/** Requires one event for each step. If INC failed with an error, only the steps before it need events. */
function eventsDifference({ files, events, error }: PruningCase): Difference | undefined {
  const { steps } = files.json;
  const ran = events.length;
  const isRight = error === undefined ? steps === ran : Number(steps) >= ran;
  if (!Number.isInteger(steps) || !isRight) {
    const expected = error === undefined ? `the number of events, ${ran}` : `${ran} or more`;
    return differenceAt("steps", expected, JSON.stringify(steps ?? null));
  }
  const stopped = error === undefined ? ran : (error.step ?? 0);
  const numbers = Array.from({ length: stopped }, (_, i) => i);
  const stated = events.map(({ step }) => step);
  return compare("step of event", numbers, stated);
}

/** Requires all layers of all pruners, the sum and zero count of each layer's weight, and prune step statistics. */
function layersDifference({ pruners, layers, events }: PruningCase): Difference | undefined {
  const owned = [...new Set(pruners.flat())].sort();
  return (
    compare("layers", owned, [...layers].sort()) ??
    firstOf(events, ({ step, weightSums, weightZeros, prunes, sparsity }) => {
      const count = (quantity: string, { length }: readonly number[]): Difference | undefined =>
        length === layers.length
          ? undefined
          : differenceAt({ step, quantity }, `${layers.length} layers`, length);
      const wrong = count("w_sum", weightSums) ?? count("w_zeros", weightZeros);
      if (wrong !== undefined || prunes.length === 0 || sparsity?.length === 3) return wrong;
      return differenceAt({ step, quantity: "get_sparsity_ratio" }, "3 numbers", "none");
    })
  );
}

/** Requires the masks and scores that `case.json` lists, and rejects those that it does not list. */
function listedDifference(vector: PruningCase): Difference | undefined {
  const { files, layers } = vector;
  const list = at.object(files.json, "tensors");
  const listed = LISTED.flatMap((kind) =>
    Object.entries(at.object(list, `${kind}_steps`)).flatMap(([layer, steps]) => {
      if (!Array.isArray(steps))
        throw expectedError(`tensors.${kind}_steps.${layer}`, "a list", steps);
      return steps.map((step) => `${kind}/${step}/${layer}`);
    }),
  );
  const names = new Set(listed);
  return (
    compare("tensors.w0,wT", layers, at.texts(list, "w0,wT")) ??
    firstOf(listed, (name) => missing(vector, name)) ??
    firstOf(files.tensors.keys(), (name) =>
      names.has(name) || !LISTED.includes(name.split("/", 1)[0] ?? "")
        ? undefined
        : differenceAt(name, "a tensor that case.json lists", "one that it does not"),
    )
  );
}

function* neededTensors(vector: PruningCase): Iterable<string> {
  const { files, drive, layers, events, pruners } = vector;
  for (const kind of ["w0", "wT"]) for (const layer of layers) yield `${kind}/${layer}`;
  for (const [index, pruner] of at.objects(files.json, "pruners").entries()) {
    const invalid = at.texts(pruner, "invalid_layers");
    // INC does not attach block masks to convolutions.
    const masked = drive === "grad" ? null : at.texts(pruner, "masked_layers");
    const own = masked ?? (pruners[index] ?? []).filter((layer) => !invalid.includes(layer));
    for (const name of own) {
      const layer = tensorLayer(vector, index, name);
      for (const { step, prunes } of events) {
        if (drive !== "grad") yield `mgrad/${step}/${layer}`;
        if (prunes.some((prune) => prune.pruner === index && hadScores(prune)))
          yield `score/${step}/${layer}`;
      }
    }
  }
}

function missing({ files }: PruningCase, name: string): Difference | undefined {
  if (files.tensors.has(name)) return undefined;
  // Before the first step, tensor names have `init` in place of a step number. The names of weights have neither.
  const [, kind = "", step, layer = ""] = /^(\w+)\/(?:(init|\d+)\/)?(.*)$/.exec(name) ?? [];
  const place = { layer, quantity: step === "init" ? `${kind} at the start` : kind };
  const isNumber = step !== undefined && step !== "init";
  return differenceAt(isNumber ? { ...place, step: Number(step) } : place, "a tensor", "none");
}

/** Requires the sparsity of every pruner and the statistics of the model at the end. */
function finalDifference({ files, error, pruners }: PruningCase): Difference | undefined {
  if (error !== undefined) return undefined;
  const { final } = files.json;
  if (!isJsonObject(final)) return differenceAt("final", "an object", "none");
  const lengths = { get_sparsity_ratio: 3, current_sparsity_ratio: pruners.length };
  return firstOf(Object.entries(lengths), ([key, length]) => {
    const { [key]: list } = final;
    const got = Array.isArray(list) ? list.length : 0;
    return got === length ? undefined : differenceAt(`final.${key}`, `${length} numbers`, got);
  });
}

/** Requires that every prune step of the replay is recorded, with the number of zeros in every mask. */
export function unstatedPrune(
  { pruners }: PruningState,
  { step, prunes }: CaseEvent,
): Difference | undefined {
  return firstOf(pruners.entries(), ([index, { lastEvent, layers }]) => {
    if (lastEvent?.step !== step) return undefined;
    const stated = prunes.find(({ pruner }) => pruner === index);
    const quantity = `pruner ${index}`;
    if (stated === undefined) return differenceAt({ step, quantity }, "no prune step", "one");
    const zeros = at.object(stated, "zeros");
    return firstOf(layers, ({ name: layer, layout }) =>
      !layout.divides || layer in zeros
        ? undefined
        : differenceAt({ step, layer, quantity: `${quantity} mask zeros` }, "a number", "none"),
    );
  });
}
