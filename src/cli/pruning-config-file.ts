/** Reads files of pruning configurations: INC's keys in JSON or YAML. */

import { pipe } from "fp-ts/function";
import { chain, type Either, left, type Problem, refuseValue, right } from "../core/either.ts";
import { isJsonObject } from "../io/json.ts";
import { decodeUtf8 } from "../io/utf8.ts";
import { parseYaml } from "../io/yaml.ts";
import { fileProblem, readBytes } from "../node/files.ts";

/** A pruning configuration in INC's keys. */
export type PruningKeys = Readonly<Record<string, unknown>>;

/**
 * The configuration of a file, which holds a list of local configurations or an object of keyword arguments.
 * Keys of the schedule that it leaves out are taken from `defaults`; `label` names the option.
 */
export async function readPruningConfig(
  path: string,
  defaults: PruningKeys,
  label: string = "--pruning-config",
): Promise<Either<readonly Problem[], PruningKeys>> {
  const missing = await fileProblem(label, path);
  if (missing !== undefined) return left([missing]);
  const bytes = await readBytes(path);
  return pipe(
    decodeUtf8(path, bytes),
    chain((text) => parseYaml(path, text)),
    chain((value) => {
      if (Array.isArray(value)) return right({ ...defaults, pruning_configs: value });
      if (isJsonObject(value)) return right({ ...defaults, ...value });
      return refuseValue(path, "a list of configurations or an object of keys", value);
    }),
  );
}
