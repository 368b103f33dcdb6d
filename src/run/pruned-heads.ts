/** Prunes whole attention heads of a model directory in one shot. */
import type { Attention } from "../checkpoint/attention-heads.ts";
import type { Checkpoint, CheckpointEntry } from "../checkpoint/checkpoint.ts";
import { zeroPruned } from "../checkpoint/zero-pruned.ts";
import { getOrThrow, InputError, refuseInput } from "../core/either.ts";
import { headHooks } from "../heads/hooks.ts";
import { initialiseHeadPruning } from "../heads/initialise.ts";
import { asFloat32, type StoredTensor } from "../io/safetensors.ts";
import type { Profile, PrunerConfig, PruningScope, ScoreReduction } from "../prune/config.ts";
import { type LayerRecord, PruningError } from "../prune/layer.ts";
import { parsePruningConfigOrThrow } from "../prune/parse.ts";
import { attentionLayers as attentionNames } from "../train/attention-layers.ts";
import { headsAsBlocks } from "../train/head-pruning.ts";
import { attentionLayers, type ShrinkableDirectory } from "./shrinkable-directory.ts";

/** How heads are chosen. They are scored by magnitude. */
export interface HeadChoice {
  readonly profile: Profile;
  /** The share of heads to prune. */
  readonly sparsity: number;
  readonly scope?: PruningScope;
  readonly scoreReduction?: ScoreReduction;
  /** Regular expressions for names of attention layers, under `strict`. */
  readonly layers?: string;
  readonly exclude?: string;
  readonly minSparsityPerLayer?: number;
  readonly maxSparsityPerLayer?: number;
  /** The number of heads that each layer keeps at least, under `strict`. */
  readonly minHeads?: number;
}

/** The heads of an attention layer: 1 for each kept and 0 for each pruned one. */
export interface LayerHeads {
  readonly name: string;
  readonly heads: readonly number[];
}

/** Which heads are pruned, and what that does to tensors. */
export interface PrunedHeads {
  readonly layers: readonly LayerHeads[];
  /** Returns the bytes of a tensor without pruned heads, and overwrites those of the given one. */
  readonly change: (entry: CheckpointEntry, tensor: StoredTensor) => Uint8Array;
  /** The number of tensors that change. */
  readonly tensors: number;
}

function prunerOf(choice: HeadChoice): PrunerConfig {
  const { profile, sparsity, layers, exclude } = choice;
  const { minSparsityPerLayer: least, maxSparsityPerLayer: most } = choice;
  const config = parsePruningConfigOrThrow(
    {
      pattern: "mha",
      pruning_type: "magnitude",
      criterion_type: "magnitude",
      target_sparsity: sparsity,
      ...(choice.scope && { pruning_scope: choice.scope }),
      ...(choice.scoreReduction && { criterion_reduce_type: choice.scoreReduction }),
      ...(layers !== undefined && { op_names: [layers] }),
      ...(exclude !== undefined && { excluded_op_names: [exclude] }),
      ...(least !== undefined && { min_sparsity_ratio_per_op: least }),
      ...(most !== undefined && { max_sparsity_ratio_per_op: most }),
    },
    { profile },
  );
  return config.pruners[0] ?? refuseInput("pruners", "one", "none");
}

/** Returns the tensors of an attention layer, the output layer last. */
function tensorsOf({ query, key, value, output }: Attention): readonly CheckpointEntry[] {
  return [query.weight, key.weight, value.weight, output];
}

/**
 * Chooses the heads of a model that are pruned.
 *
 * @throws InputError if the tensors of attention layers are not found, or the heads cannot be pruned as asked
 */
export function pruneHeads(
  { config, name: directory }: ShrinkableDirectory,
  checkpoint: Checkpoint,
  choice: HeadChoice,
): PrunedHeads {
  const found = getOrThrow(attentionLayers(config, checkpoint));
  const shapes = "float tensors in the shapes of config.json for each attention layer, none shared";
  if (found === undefined) return refuseInput(directory, shapes, "others");
  const attentions = attentionNames(config);
  const entries = new Map<string, CheckpointEntry>();
  attentions.forEach(({ projections, output }, i) => {
    const tensors = found[i] === undefined ? [] : tensorsOf(found[i]);
    [...projections, output].forEach((layer, at) => {
      const entry = tensors[at];
      if (entry !== undefined) entries.set(layer, entry);
    });
  });
  const records = [...entries].map(([name, entry]): LayerRecord => {
    const data = asFloat32(checkpoint.read(entry));
    return { name, kind: "linear", shape: entry.shape, data };
  });
  const { profile, minHeads } = choice;
  const options = { profile, ...(minHeads === undefined ? {} : { minHeads }) };
  const state = naming(() => {
    const initial = initialiseHeadPruning(prunerOf(choice), attentions, records, options);
    return headHooks.onStepBegin(initial, 0, records).state;
  });
  const masks = new Map(
    headsAsBlocks(state, records).layers.map(({ name, mask }) => [
      entries.get(name)?.name ?? name,
      mask,
    ]),
  );
  return {
    layers: state.attentions.map(({ name, mask }) => ({ name, heads: [...mask] })),
    tensors: masks.size,
    change: (entry, tensor) => {
      const mask = masks.get(entry.name);
      return mask === undefined ? tensor.bytes : zeroPruned(mask, tensor).bytes;
    },
  };
}

/** Turns a refusal of settings into the problem that it describes. */
function naming<T>(run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (error instanceof PruningError) throw new InputError([error.problem]);
    throw error;
  }
}

/** Draws the heads of a layer: `#` for each kept and `.` for each pruned one. */
export function drawHeads({ heads }: LayerHeads): string {
  return heads.map((bit) => (bit === 1 ? "#" : ".")).join("");
}
