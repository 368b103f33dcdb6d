/** Reads a checkpoint's model types, tied embeddings and order of layers from its config.json. */

import { pipe } from "fp-ts/function";
import type { ModelEvidence } from "../checkpoint/survey.ts";
import { type Either, isLeft, map, type Problem, right } from "../core/either.ts";
import { HUGGING_FACE_FILES } from "../io/hugging-face.ts";
import { isJsonObject, type JsonObject, parsePythonJsonObject } from "../io/json.ts";
import { parseModelConfig } from "../model/config.ts";
import { moduleList } from "../model/modules.ts";
import { joinPath, type RunStorage } from "./storage.ts";

/** The information in config.json about a checkpoint. */
export interface StatedModel {
  readonly evidence: ModelEvidence;
  /** Module names in module order; null if config.json does not describe a supported model. */
  readonly modules: readonly string[] | null;
  /** The source of the layer order. */
  readonly order: "config.json" | "the files";
}

const NOTHING_STATED: StatedModel = { evidence: {}, modules: null, order: "the files" };

/** Returns the `model_type` of a configuration, then the `model_type` of each nested configuration. */
function modelTypes(json: JsonObject): readonly string[] {
  const { model_type: own } = json;
  const parts = Object.values(json).flatMap((value) =>
    isJsonObject(value) ? modelTypes(value) : [],
  );
  return [...new Set([...(typeof own === "string" ? [own] : []), ...parts])];
}

function statedBy(json: JsonObject): StatedModel {
  const evidence = {
    modelTypes: modelTypes(json),
    tiesEmbeddings: json.tie_word_embeddings === true,
  };
  const model = parseModelConfig(json);
  if (isLeft(model)) return { ...NOTHING_STATED, evidence };
  const modules = moduleList(model.right).map(({ name }) => name);
  return { evidence, modules, order: "config.json" };
}

/** Returns the path of a checkpoint's config.json: in the checkpoint's directory, or next to its file. */
async function configPath(storage: RunStorage, path: string): Promise<string> {
  const { config } = HUGGING_FACE_FILES;
  if ((await storage.kind(path)) === "directory") return joinPath(path, config);
  return `${path.slice(0, Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\")) + 1)}${config}`;
}

/** Reads the config.json of the checkpoint at `path`, if there is one. */
export async function readStatedModel(
  storage: RunStorage,
  path: string,
): Promise<Either<readonly Problem[], StatedModel>> {
  const config = await configPath(storage, path);
  if ((await storage.kind(config)) !== "file") return right(NOTHING_STATED);
  return pipe(parsePythonJsonObject(config, await storage.read(config)), map(statedBy));
}
