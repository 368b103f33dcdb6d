/** Reads --pruning-config: INC's keys in JSON or YAML. */

import { parse } from "yaml";
import { describe } from "../core/checks.ts";
import type { Either, Problem } from "../core/either.ts";
import { fileProblem, readBytes } from "../node/files.ts";

/** A pruning configuration in INC's keys. */
export type PruningKeys = Readonly<Record<string, unknown>>;

/**
 * The configuration of a file, which holds a list of local configurations or an object of keyword arguments.
 * Keys of the schedule that it leaves out are taken from `defaults`.
 */
export async function readPruningConfig(
  path: string,
  defaults: PruningKeys,
): Promise<Either<readonly Problem[], PruningKeys>> {
  const missing = await fileProblem("--pruning-config", path);
  if (missing !== undefined) return { _tag: "Left", left: [missing] };
  const refuse = (expected: string, got: string): Either<readonly Problem[], never> => ({
    _tag: "Left",
    left: [{ path, expected, got }],
  });
  let value: unknown;
  try {
    value = parse(new TextDecoder("utf-8", { fatal: true }).decode(await readBytes(path)));
  } catch (error) {
    return refuse("JSON or YAML", error instanceof Error ? error.message.trim() : String(error));
  }
  if (Array.isArray(value))
    return { _tag: "Right", right: { ...defaults, pruning_configs: value } };
  if (typeof value === "object" && value !== null)
    return { _tag: "Right", right: { ...defaults, ...value } };
  return refuse("a list of configurations or an object of keys", describe(value));
}
