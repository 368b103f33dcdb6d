/** Prunes the open checkpoint, and packs the result, with the functions of the commands `prune` and `pack`. */
import { moduleName } from "../../../../src/checkpoint/layers.ts";
import { planOneShot } from "../../../../src/checkpoint/one-shot.ts";
import { openCheckpointFile } from "../../../../src/checkpoint/open.ts";
import { writePacked } from "../../../../src/checkpoint/pack.ts";
import { writePruned } from "../../../../src/checkpoint/prune.ts";
import { getOrThrow, refuseInput } from "../../../../src/core/either.ts";
import { sumOf } from "../../../../src/core/sum.ts";
import { ELEMENT_CRITERION_NAMES, type ElementCriterion } from "../../../../src/prune/criteria.ts";
import { accountLines } from "../../../../src/report/account.ts";
import { blobSource, type GivenCheckpoint, openGiven } from "./given-checkpoint.ts";
import type { GivenFile, PruneReport, PruneRequest } from "./protocol.ts";
import { createScratchFiles, type ScratchFiles } from "./scratch-files.ts";
import type { TaskRun } from "./task-run.ts";
import { turnsUnder } from "./turns.ts";

/** A pruned checkpoint and its files. */
export interface PrunedFiles {
  readonly report: PruneReport;
  readonly files: readonly GivenFile[];
  readonly checkpoint: GivenCheckpoint;
  readonly scratch: ScratchFiles;
}

/** The kernels of the variant `simd`, without which pruning is slower and has the same results. */
async function pruningKernels() {
  const [{ createBackend }, { pruningMemory }] = await Promise.all([
    import("../../../../src/kernels/backend.ts"),
    import("../../../../src/run/pruning-memory.ts"),
  ]);
  try {
    return pruningMemory(createBackend({ variant: "simd" }));
  } catch {
    return {};
  }
}

let kernels: ReturnType<typeof pruningKernels> | null = null;

function criterionOf(text: string): ElementCriterion {
  const found = ELEMENT_CRITERION_NAMES.find((name) => name === text);
  return found ?? refuseInput("criterion", ELEMENT_CRITERION_NAMES.join(", "), text);
}

function gradientsIn(file: GivenFile | null) {
  return file === null ? null : getOrThrow(openCheckpointFile(blobSource(file), file.path));
}

export async function prune(
  given: GivenCheckpoint,
  request: PruneRequest,
  { signal, onProgress }: TaskRun,
): Promise<PrunedFiles> {
  const { checkpoint, stated, config, index } = given;
  const { pattern, sparsity, scope, profile, excludeHead, minSparsityPerLayer } = request;
  const { maxSparsityPerLayer } = request;
  const gradients = gradientsIn(request.gradients);
  const options = {
    pattern,
    sparsity,
    scope,
    criterion: criterionOf(request.criterion),
    minSparsityPerLayer,
    ...(maxSparsityPerLayer !== null && { maxSparsityPerLayer }),
  };
  const pruners = getOrThrow(planOneShot(options, null, gradients !== null));
  kernels ??= pruningKernels();
  const scratch = createScratchFiles();
  const files: GivenFile[] = [];
  const bytes = sumOf(checkpoint.files, (file) => file.bytes);
  try {
    const result = await writePruned(
      {
        checkpoint,
        pruners,
        profile,
        gradients,
        excludeHead,
        evidence: stated.evidence,
        modules: stated.modules,
        ...(await kernels),
        compressedBytes: null,
        tasks: null,
        turn: turnsUnder(signal),
        onProgress: (done, total) => onProgress({ done, total }),
      },
      async ({ files: written }) => {
        for (const file of written) files.push(await scratch.write(file, 2 * bytes));
        return [];
      },
    );
    const [blocks] = result.pruners;
    const tensorOf = new Map(
      given.survey
        .filter(({ axes }) => axes !== null)
        .map(({ name }) => [moduleName(name), name] as const),
    );
    const report: PruneReport = {
      layers: result.layers.map((layer) => ({
        name: layer.name,
        tensor: tensorOf.get(layer.name) ?? layer.name,
        shape: layer.shape,
        zeros: layer.zeros,
        elements: layer.elements,
        bytes: layer.bytes.dense,
        packedBytes: layer.bytes.packed,
      })),
      pattern: blocks?.pattern ?? pattern,
      prunedBlocks: blocks?.prunedBlocks ?? 0,
      blocks: blocks?.blocks ?? 0,
      bytes: result.bytes.dense,
      packedBytes: result.bytes.packed,
      account: accountLines("pruned", result),
    };
    signal.throwIfAborted();
    // The index of safetensors stays valid; other formats become one file.
    if (checkpoint.index !== null && index !== null) files.push(index);
    const all = config === null ? files : [...files, config];
    return { report, files, checkpoint: await openGiven(all), scratch };
  } catch (error) {
    await scratch.remove();
    throw error;
  } finally {
    gradients?.close();
  }
}

/** Packs the pruned checkpoint into one file. */
export function pack(
  { checkpoint, scratch }: PrunedFiles,
  run: TaskRun,
): Promise<readonly GivenFile[]> {
  return packGiven(checkpoint, scratch, run);
}

/** Packs a checkpoint into one file. */
export async function packGiven(
  { checkpoint }: GivenCheckpoint,
  scratch: ScratchFiles,
  { signal, onProgress }: TaskRun,
): Promise<readonly GivenFile[]> {
  const files: GivenFile[] = [];
  const bytes = sumOf(checkpoint.files, (file) => file.bytes);
  await writePacked(
    {
      checkpoint,
      turn: turnsUnder(signal),
      onProgress: (done, total) => onProgress({ done, total }),
    },
    async ({ files: written }) => {
      for (const file of written) files.push(await scratch.write(file, 2 * bytes));
      return [];
    },
  );
  return files;
}
