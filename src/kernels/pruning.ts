/**
 * The loops of pruning on WASM. Scores and masks belong to a state of plain arrays and pass through windows;
 * weights and gradients are used where they are if that is the module's memory.
 */
import type { PruningKernels } from "../core/pruning-kernels.ts";
import { type Backend, moduleOf } from "./backend.ts";
import type { KernelModule } from "./kernel-module.ts";
import {
  byteWindow,
  createDivide,
  type Divide,
  floatWindow,
  type StagingWindow,
} from "./staging.ts";

type Name =
  | "blockMagnitudes"
  | "blockProducts"
  | "countLeadingBits"
  | "countTrailingBits"
  | "countBelow"
  | "writeMask"
  | "applyMask";

type Exports = Readonly<Record<Name, (...values: number[]) => number>>;

/** Elements that are staged at a time where rows of blocks allow it, so that they stay in the cache. */
const PART = 1 << 14;
/** Elements of the longest row of blocks that is staged. */
const WIDEST = 1 << 16;
const BUCKETS = 1 << 16;
const TALLEST = 4;

/** What the loops work with. */
interface Stage {
  readonly module: KernelModule;
  readonly run: Exports;
  readonly divide: Divide;
  readonly values: StagingWindow<Float32Array>;
  readonly factors: StagingWindow<Float32Array>;
  readonly scores: StagingWindow<Float32Array>;
  readonly mask: StagingWindow<Uint8Array>;
  /** Address of the histogram. */
  readonly histogram: number;
  /** The histogram's bytes, derived anew after the memory has grown. */
  readonly histogramView: () => Int32Array;
}

function createStage(module: KernelModule): Stage {
  const { memory } = module;
  const region = memory.allocate(BUCKETS);
  let view = memory.int32(region);
  const [values, factors, scores] = [WIDEST, WIDEST, WIDEST].map((capacity) =>
    floatWindow(memory, capacity),
  );
  return {
    module,
    run: module.exports as unknown as Exports,
    divide: createDivide(),
    values,
    factors,
    scores,
    mask: byteWindow(memory, WIDEST),
    histogram: region.byteOffset,
    histogramView: () => {
      if (view.length === 0) view = memory.int32(region);
      return view;
    },
  };
}

/** Rows of blocks that are staged together. */
function rowsAtATime(elements: number): number {
  return Math.max(1, Math.floor(PART / elements));
}

/** Address of part `index` of an array that is cut into parts of `length`: where it is, or staged. */
function addressOfPart(
  { module, divide }: Stage,
  window: StagingWindow<Float32Array>,
  array: Float32Array,
  index: number,
  length: number,
): number {
  if (module.holds(array)) return array.byteOffset + index * length * 4;
  window.copyIn(divide(array, length)[index]);
  return window.address;
}

type Update = Pick<PruningKernels, "updateScoresInto">;

function scoring(stage: Stage, plain: PruningKernels): Update {
  const { run, divide } = stage;
  return {
    updateScoresInto(values, factors, height, columns, divisor, momentum, scores) {
      if (height > TALLEST || (height > 1 && height * columns > WIDEST)) {
        plain.updateScoresInto(values, factors, height, columns, divisor, momentum, scores);
        return;
      }
      // Single elements are cut anywhere, blocks between rows of them.
      const row = height === 1 ? PART : columns;
      const rows = height === 1 ? 1 : rowsAtATime(height * columns);
      divide(scores, rows * row).forEach((part, i) => {
        const size = rows * row * height;
        const from = addressOfPart(stage, stage.values, values, i, size);
        const by = factors && addressOfPart(stage, stage.factors, factors, i, size);
        if (momentum !== 0) stage.scores.copyIn(part);
        const width = height === 1 ? part.length : columns;
        const update = factors === null ? run.blockMagnitudes : run.blockProducts;
        const to = stage.scores.address;
        update(from, by ?? from, part.length / width, height, width, divisor, momentum, to);
        stage.scores.copyOut(part);
      });
    },
  };
}

type Selection = Pick<
  PruningKernels,
  "countLeadingBitsInto" | "countTrailingBitsInto" | "countBelow"
>;

function selection(stage: Stage): Selection {
  const { run, divide, scores: window, histogram: address } = stage;
  /** Lets `count` run over all scores, then adds the module's histogram to the caller's. */
  const collect = (
    chunks: readonly Float32Array[],
    histogram: Uint32Array,
    count: (length: number) => void,
  ): void => {
    stage.histogramView().fill(0);
    for (const chunk of chunks)
      for (const part of divide(chunk, PART)) {
        window.copyIn(part);
        count(part.length);
      }
    const counted = stage.histogramView();
    for (let i = 0; i < BUCKETS; i++) histogram[i] += counted[i];
  };
  return {
    countLeadingBitsInto(chunks, histogram) {
      collect(chunks, histogram, (length) => {
        run.countLeadingBits(window.address, length, address);
      });
    },
    countTrailingBitsInto(chunks, leading, histogram) {
      collect(chunks, histogram, (length) => {
        run.countTrailingBits(window.address, length, leading, address);
      });
    },
    countBelow(scores, threshold, inclusive) {
      let count = 0;
      for (const part of divide(scores, PART)) {
        window.copyIn(part);
        count += run.countBelow(window.address, part.length, threshold, inclusive ? 1 : 0);
      }
      return count;
    },
  };
}

type Masking = Pick<PruningKernels, "writeMaskInto" | "applyMaskInto">;

function masking(stage: Stage, plain: PruningKernels): Masking {
  const { module, run, divide, scores: window, mask: maskWindow } = stage;
  return {
    writeMaskInto(scores, threshold, inclusive, height, columns, mask) {
      if (height * columns > WIDEST) {
        plain.writeMaskInto(scores, threshold, inclusive, height, columns, mask);
        return;
      }
      const rows = rowsAtATime(height * columns);
      const maskParts = divide(mask, rows * height * columns);
      divide(scores, rows * columns).forEach((part, i) => {
        window.copyIn(part);
        const count = part.length / columns;
        const flag = inclusive ? 1 : 0;
        const to = maskWindow.address;
        run.writeMask(window.address, threshold, flag, count, height, columns, to);
        maskWindow.copyOut(maskParts[i]);
      });
    },
    applyMaskInto(mask, height, columns, values) {
      // Values elsewhere would be copied to and fro for the few that change.
      if (!module.holds(values) || (height > 1 && height * columns > WIDEST)) {
        plain.applyMaskInto(mask, height, columns, values);
        return;
      }
      const length = height === 1 ? PART : rowsAtATime(height * columns) * height * columns;
      divide(mask, length).forEach((part, i) => {
        maskWindow.copyIn(part);
        const width = height === 1 ? part.length : columns;
        const at = values.byteOffset + i * length * 4;
        run.applyMask(maskWindow.address, part.length / (height * width), height, width, at);
      });
    },
  };
}

const stages = new WeakMap<KernelModule, Stage>();

/**
 * The loops of pruning on a backend's module; those given where it has none, or where it pays to use them. All
 * working space is allocated here, once for a backend, so that pruning never grows the memory on which its layers
 * are views.
 */
export function wasmPruningKernels(backend: Backend, plain: PruningKernels): PruningKernels {
  const module = moduleOf(backend);
  if (module === undefined) return plain;
  const stage = stages.get(module) ?? createStage(module);
  stages.set(module, stage);
  return Object.freeze({ ...scoring(stage, plain), ...selection(stage), ...masking(stage, plain) });
}
