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
import { isKnownModel, readSlimModel } from "./slim-model.ts";
import { pipelineDifference } from "./slim-pipeline.ts";
import { removalDifference } from "./slim-removal.ts";
import { unitsDifference } from "./slim-units.ts";
import { judge, type Verdict } from "./verdict.ts";

interface SlimKind {
  readonly difference: (files: OpenCase, backend: Backend) => Difference | undefined;
  /** Returns why a vector of this kind only shows INC's search; undefined if it is judged. */
  readonly outside: (json: JsonObject) => string | undefined;
}

const OTHER_MODEL =
  "a model that the project does not have, in which only INC's search finds layers";
const NOT_FOUND = "INC's search fails on this model or finds no feed-forward pair";

/** Whether an attempt recorded in `found` gave a list that is not empty. */
function hasFound(json: JsonObject, key: string): boolean {
  const found = isJsonObject(json.found) ? json.found[key] : undefined;
  return isJsonObject(found) && Array.isArray(found.result) && found.result.length > 0;
}

/** Whether a call failed before it removed anything. */
function failed(json: JsonObject): boolean {
  const log = Array.isArray(json.log) ? json.log : [];
  return "error" in json || log.includes("model Linear2Linear slim failed.");
}

const KINDS: Readonly<Record<string, SlimKind>> = {
  units: { difference: unitsDifference, outside: () => undefined },
  masks: { difference: masksDifference, outside: () => undefined },
  analysis: {
    difference: analysisDifference,
    outside: (json) => {
      if (!isKnownModel(json)) return OTHER_MODEL;
      return hasFound(json, "linear2linear") && hasFound(json, "mha") ? undefined : NOT_FOUND;
    },
  },
  slim: {
    difference: (files, backend) =>
      removalDifference(files, readSlimModel(files.json), tensorsBelow(files, "param/"), backend),
    outside: (json) => {
      if (!isKnownModel(json)) return OTHER_MODEL;
      return failed(json) ? NOT_FOUND : undefined;
    },
  },
  pipeline: {
    difference: pipelineDifference,
    outside: (json) => {
      if (!isKnownModel(json)) return OTHER_MODEL;
      return failed(json) ? NOT_FOUND : undefined;
    },
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
