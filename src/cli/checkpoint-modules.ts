/** The order of a checkpoint's modules, where the directory that it lies in tells. */

import { join } from "node:path";
import { InputError, isLeft } from "../core/either.ts";
import { HUGGING_FACE_FILES } from "../io/hugging-face.ts";
import { parseJsonObject } from "../io/json.ts";
import { parseModelConfig } from "../model/config.ts";
import { moduleList } from "../model/modules.ts";
import { kindOfPath, readBytes } from "../node/files.ts";

/**
 * The names of a model's modules in their order: null for a path that is no directory, or whose configuration is not
 * that of BERT or DistilBERT.
 *
 * @throws InputError where config.json is no JSON object
 */
export async function modulesOf(path: string): Promise<readonly string[] | null> {
  const config = join(path, HUGGING_FACE_FILES.config);
  if ((await kindOfPath(path)) !== "directory" || (await kindOfPath(config)) !== "file")
    return null;
  const json = parseJsonObject(config, await readBytes(config));
  if (isLeft(json)) throw new InputError(json.left);
  const model = parseModelConfig(json.right);
  return isLeft(model) ? null : moduleList(model.right).map(({ name }) => name);
}

/** What is said of an order. */
export function orderName(modules: readonly string[] | null): "config.json" | "the files" {
  return modules === null ? "the files" : "config.json";
}
