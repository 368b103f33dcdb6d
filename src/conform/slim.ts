/**
 * Replays slim vectors, which record how INC finds feed-forward pairs and attention layers and removes zero channels and
 * heads. Vectors that only show INC's search are not replayed: the project knows the layers of its models.
 */
import { isJsonObject } from "../io/json.ts";
import type { Backend } from "../kernels/backend.ts";
import {
  at,
  type CaseFiles,
  expectedError,
  type JsonObject,
  type OpenCase,
  openCase,
  tensorsBelow,
} from "./case-files.ts";
import type { Difference } from "./difference.ts";
import { analysisDifference } from "./slim-analysis.ts";
import { masksDifference } from "./slim-masks.ts";
import { modelRefusal, readSlimModel } from "./slim-model.ts";
import { pipelineDifference } from "./slim-pipeline.ts";
import { removalDifference } from "./slim-removal.ts";
import { unitsDifference } from "./slim-units.ts";
import { judge, type Verdict } from "./verdict.ts";

interface SlimKind {
  readonly difference: (files: OpenCase, backend: Backend) => Difference | undefined;
  /** Returns why a vector of this kind only shows INC's search; undefined if it is judged. */
  readonly outside: (json: JsonObject) => string | undefined;
}

const NOT_FOUND = "INC's search fails on this model or finds no feed-forward pair";

/** Whether an attempt recorded in `found` gave a list that is not empty. */
function hasFound(json: JsonObject, key: string): boolean {
  const found = isJsonObject(json.found) ? json.found[key] : undefined;
  return isJsonObject(found) && Array.isArray(found.result) && found.result.length > 0;
}

/** Why the removal of a vector is not judged: INC's search has failed, so that nothing is removed. */
function removalRefusal(json: JsonObject): string | undefined {
  const { removed } = json;
  const isNothing = "error" in json || (Array.isArray(removed) && removed.length === 0);
  return modelRefusal(json) ?? (isNothing ? NOT_FOUND : undefined);
}

const KINDS: Readonly<Record<string, SlimKind>> = {
  units: { difference: unitsDifference, outside: () => undefined },
  masks: { difference: masksDifference, outside: () => undefined },
  analysis: {
    difference: analysisDifference,
    outside: (json) => {
      const isFound = hasFound(json, "linear2linear") && hasFound(json, "mha");
      return modelRefusal(json) ?? (isFound ? undefined : NOT_FOUND);
    },
  },
  slim: {
    difference: (files, backend) =>
      removalDifference(files, readSlimModel(files.json), tensorsBelow(files, "param/"), backend),
    outside: removalRefusal,
  },
  pipeline: {
    difference: pipelineDifference,
    outside: removalRefusal,
  },
};

/** Whether a `case.json` belongs to a slim vector. */
export function isSlimCase({ kind }: JsonObject): boolean {
  return typeof kind === "string" && Object.hasOwn(KINDS, kind);
}

/** Why a vector only shows INC's search; undefined if it is judged. */
export function slimRefusal(json: JsonObject): string | undefined {
  return KINDS[String(json.kind)]?.outside(json);
}

export function replaySlim(files: CaseFiles, backend: Backend): Verdict {
  return judge("slim", files.name, () => {
    const opened = openCase(files);
    const kind = KINDS[at.text(opened.json, "kind")];
    if (kind === undefined)
      throw expectedError("kind", `one of ${Object.keys(KINDS).join(", ")}`, opened.json.kind);
    return kind.difference(opened, backend);
  });
}
