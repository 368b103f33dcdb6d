/** Reads pruning configuration files, which have INC's keys, in JSON or YAML. */

import { pipe } from "fp-ts/function";
import {
  chain,
  type Either,
  type Problem,
  prefixPaths,
  refuseValue,
  right,
} from "../core/either.ts";
import { isJsonObject } from "../io/json.ts";
import { decodeUtf8 } from "../io/text.ts";
import { parseYaml } from "../io/yaml.ts";
import type { Profile, PruningConfig } from "../prune/config.ts";
import { parsePruningConfig } from "../prune/parse.ts";

/** A pruning configuration with INC's keys. */
export type PruningKeys = Readonly<Record<string, unknown>>;

/**
 * Reads a file with a list of INC's local configurations, or with an object of `WeightPruningConfig`'s keyword
 * arguments.
 *
 * @param path the file's name for error messages
 */
export function parsePruningConfigFile(
  path: string,
  bytes: Uint8Array,
): Either<readonly Problem[], PruningKeys> {
  return pipe(
    decodeUtf8(path, bytes),
    chain((text) => parseYaml(path, text)),
    chain((value) => {
      if (Array.isArray(value)) return right({ pruning_configs: value });
      if (isJsonObject(value)) return right(value);
      return refuseValue(path, "a list of configurations or an object of keys", value);
    }),
  );
}

/** Reads the pruners in a configuration file. Every problem starts with the file's path. */
export function readPruners(
  path: string,
  bytes: Uint8Array,
  profile: Profile,
): Either<readonly Problem[], PruningConfig> {
  return pipe(
    parsePruningConfigFile(path, bytes),
    chain((keys) => pipe(parsePruningConfig(keys, { profile }), prefixPaths(`${path}: `))),
  );
}
