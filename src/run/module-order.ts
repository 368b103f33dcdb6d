/** The order of a checkpoint's layers, which breaks ties between equal scores. */

import { pipe } from "fp-ts/function";
import { type Either, isLeft, map, type Problem, right } from "../core/either.ts";
import { HUGGING_FACE_FILES } from "../io/hugging-face.ts";
import { parseJsonObject } from "../io/json.ts";
import { parseModelConfig } from "../model/config.ts";
import { moduleList } from "../model/modules.ts";
import { joinPath, type RunStorage } from "./storage.ts";

/** Module names in the model's order, or null if config.json does not describe the model; `order` names the source. */
export type ModuleOrder =
  | { readonly modules: readonly string[]; readonly order: "config.json" }
  | { readonly modules: null; readonly order: "the files" };

const FILE_ORDER: ModuleOrder = { modules: null, order: "the files" };

/** Derives the module order from a directory's config.json if the model is BERT or DistilBERT. */
export async function readModuleOrder(
  storage: RunStorage,
  path: string,
): Promise<Either<readonly Problem[], ModuleOrder>> {
  const config = joinPath(path, HUGGING_FACE_FILES.config);
  if ((await storage.kind(path)) !== "directory" || (await storage.kind(config)) !== "file")
    return right(FILE_ORDER);
  return pipe(
    parseJsonObject(config, await storage.read(config)),
    map((json): ModuleOrder => {
      const model = parseModelConfig(json);
      if (isLeft(model)) return FILE_ORDER;
      return { modules: moduleList(model.right).map(({ name }) => name), order: "config.json" };
    }),
  );
}
