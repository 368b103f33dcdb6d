/** Prunes a safetensors file in memory, in one call. */
import {
  checkBytes,
  checkKind,
  checkNumber,
  checkOneOf,
  checkOptions,
  checkString,
  isStrings,
} from "../core/checks.ts";
import { allOf, getOrThrow } from "../core/either.ts";
import type { Profile, PruningConfigInput, PruningScope, ScoreReduction } from "../prune/config.ts";
import { ELEMENT_CRITERION_NAMES, type ElementCriterion } from "../prune/criteria.ts";
import { parsePruningConfig } from "../prune/parse.ts";
import { PROFILE_NAMES } from "../prune/profiles.ts";
import { byteSource } from "./byte-source.ts";
import { readNameExpression } from "./choice.ts";
import type { CopySink } from "./copy.ts";
import { planOneShot } from "./one-shot.ts";
import { openCheckpointFile } from "./open.ts";
import { type PrunedCheckpoint, writePruned } from "./prune.ts";

/** Options for {@link pruneSafetensors}, named as those of the command `prune`. */
export interface PruneSafetensorsOptions {
  /** Such as `2:4`, `4x1` or `1xchannel`. Required without `config`, like `sparsity`. */
  readonly pattern?: string;
  /** The share of blocks (elements for N:M) to prune, in [0, 1). */
  readonly sparsity?: number;
  /** Default `global`: all layers share one budget. */
  readonly scope?: PruningScope;
  /** How weights are scored. Default `magnitude`. The other criteria need `gradients`. */
  readonly criterion?: ElementCriterion;
  /** How the scores of a block's elements are reduced to one score. Default `mean`. */
  readonly scoreReduction?: ScoreReduction;
  /** A regular expression for the names of layers to prune. Default: all layers. */
  readonly layers?: string;
  /** A regular expression for the names of layers that are left alone. */
  readonly exclude?: string;
  /** Whether heads, recognised by their names, are left alone. Default true. */
  readonly excludeHead?: boolean;
  readonly minSparsityPerLayer?: number;
  readonly maxSparsityPerLayer?: number;
  /** Pruners in INC's keys, in place of the options above. Schedules are ignored. */
  readonly config?: PruningConfigInput;
  /** A safetensors file with the gradients of the tensors, by the same names. */
  readonly gradients?: Uint8Array;
  /** The names of the model's modules in order, which decides ties. Default: the order of the file. */
  readonly modules?: readonly string[];
  /** Default `strict`. */
  readonly profile?: Profile;
}

/** The result of {@link pruneSafetensors}. */
export interface PrunedSafetensors {
  /** The pruned file. */
  readonly bytes: Uint8Array;
  /** The pruned layers and budgets, and the reason for each tensor that is left alone. */
  readonly report: PrunedCheckpoint;
}

const OPTIONS: readonly string[] = /* @__PURE__ */ Object.keys({
  pattern: true,
  sparsity: true,
  scope: true,
  criterion: true,
  scoreReduction: true,
  layers: true,
  exclude: true,
  excludeHead: true,
  minSparsityPerLayer: true,
  maxSparsityPerLayer: true,
  config: true,
  gradients: true,
  modules: true,
  profile: true,
} satisfies Record<keyof PruneSafetensorsOptions, true>);

function checkArguments(bytes: Uint8Array, options: PruneSafetensorsOptions): void {
  checkBytes("bytes", bytes);
  checkOptions("options", options, OPTIONS);
  const { scope, criterion, scoreReduction, gradients, modules, profile, excludeHead } = options;
  for (const name of ["pattern", "layers", "exclude"] as const)
    if (options[name] !== undefined) checkString(name, options[name]);
  for (const name of ["sparsity", "minSparsityPerLayer", "maxSparsityPerLayer"] as const)
    if (options[name] !== undefined) checkNumber(name, options[name], 0, 1);
  if (scope !== undefined) checkOneOf("scope", scope, ["global", "local"]);
  if (criterion !== undefined) checkOneOf("criterion", criterion, ELEMENT_CRITERION_NAMES);
  if (scoreReduction !== undefined)
    checkOneOf("scoreReduction", scoreReduction, ["mean", "sum", "max"]);
  if (profile !== undefined) checkOneOf("profile", profile, PROFILE_NAMES);
  if (gradients !== undefined) checkBytes("gradients", gradients);
  checkKind(
    excludeHead === undefined || typeof excludeHead === "boolean",
    "excludeHead",
    "a boolean",
    excludeHead,
  );
  checkKind(modules === undefined || isStrings(modules), "modules", "an array of names", modules);
}

/**
 * Prunes the weights in a safetensors file once. Kept elements and all other tensors keep their bits. The result has
 * the bytes that the command `prune` writes.
 *
 * @throws TypeError or RangeError for an invalid argument, InputError with all problems of the file and the options,
 *   PruningError if the layers cannot be pruned with these options
 *
 * @example
 * ```ts
 * import { pruneSafetensors } from "espalier/checkpoint";
 * import { readSafetensorsOrThrow, tensorFromFloat32, toFloat32, writeSafetensors } from "espalier/io";
 *
 * const weight = tensorFromFloat32("F32", [1, 4], Float32Array.of(1, 2, 3, 4));
 * const dense = writeSafetensors(new Map([["fc1.weight", weight]]));
 * const { bytes, report } = await pruneSafetensors(dense, { pattern: "2:4", sparsity: 0.5 });
 * if (report.layers[0]?.zeros !== 2) throw new Error("expected two zeros");
 * const pruned = readSafetensorsOrThrow(bytes).tensors.get("fc1.weight");
 * if (pruned === undefined || toFloat32(pruned).join() !== "0,0,3,4") throw new Error();
 * ```
 */
export async function pruneSafetensors(
  bytes: Uint8Array,
  options: PruneSafetensorsOptions,
): Promise<PrunedSafetensors> {
  checkArguments(bytes, options);
  const { profile = "strict", config, gradients, layers, exclude } = options;
  const { excludeHead = true, modules = null } = options;
  const named = config && { path: "`config`", read: parsePruningConfig(config, { profile }) };
  const { pruners, checkpoint, gradientFile } = getOrThrow(
    allOf({
      pruners: planOneShot(options, named ?? null, gradients !== undefined),
      checkpoint: openCheckpointFile(byteSource("bytes", bytes), FILE),
      gradientFile: openCheckpointFile(byteSource("gradients", gradients ?? bytes), FILE),
    }),
  );
  const file = growingFile(bytes.length);
  const report = await writePruned(
    {
      checkpoint,
      pruners,
      profile,
      gradients: gradients === undefined ? null : gradientFile,
      layers: layers === undefined ? undefined : readNameExpression("layers", layers),
      exclude: exclude === undefined ? undefined : readNameExpression("exclude", exclude),
      excludeHead,
      modules,
      compressedBytes: null,
      tasks: null,
      turn: async () => {},
    },
    file.sink,
  );
  return { bytes: file.content(), report };
}

/** The name of the only file. */
const FILE = "model.safetensors";

/** A sink for a copy of one file, which it keeps in memory. */
function growingFile(expected: number): {
  readonly sink: CopySink;
  readonly content: () => Uint8Array;
} {
  let memory = new Uint8Array(expected);
  let length = 0;
  const put = (bytes: Uint8Array, position: number): void => {
    length = Math.max(length, position + bytes.length);
    if (length > memory.length) {
      const longer = new Uint8Array(Math.max(length, 2 * memory.length));
      longer.set(memory);
      memory = longer;
    }
    memory.set(bytes, position);
  };
  const sink: CopySink = async ({ files }) => {
    for (const { write } of files) await write(put, -1);
    return [];
  };
  return { sink, content: () => memory.slice(0, length) };
}
