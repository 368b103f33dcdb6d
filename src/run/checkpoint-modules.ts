/** The order of a checkpoint's modules, if the directory that holds it states one. */

import { pipe } from "fp-ts/function";
import { type Either, isLeft, map, type Problem, right } from "../core/either.ts";
import { HUGGING_FACE_FILES } from "../io/hugging-face.ts";
import { parseJsonObject } from "../io/json.ts";
import { parseModelConfig } from "../model/config.ts";
import { moduleList } from "../model/modules.ts";
import { joinPath, type RunStorage } from "./storage.ts";

/**
 * The names of a model's modules in their order. Null for a path that is not a directory, or whose configuration is not
 * one of BERT or DistilBERT.
 */
export async function readModuleNames(
  storage: RunStorage,
  path: string,
): Promise<Either<readonly Problem[], readonly string[] | null>> {
  const config = joinPath(path, HUGGING_FACE_FILES.config);
  if ((await storage.kind(path)) !== "directory" || (await storage.kind(config)) !== "file")
    return right(null);
  return pipe(
    parseJsonObject(config, await storage.read(config)),
    map((json) => {
      const model = parseModelConfig(json);
      return isLeft(model) ? null : moduleList(model.right).map(({ name }) => name);
    }),
  );
}
