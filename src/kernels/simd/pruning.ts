/**
 * The loops of pruning on WASM. Scores and masks are plain arrays, which are copied to and from WASM memory through
 * staging windows. Weights and gradients are used in place if they are in the module's memory. Threads share the parts
 * of a layer; each part in progress has its own windows.
 */
import type { PruningKernels } from "../../core/pruning-kernels.ts";
import type { KernelModule } from "./calls.ts";
import { type Backend, moduleOf } from "./instance.ts";
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
  | "applyMask"
  | "countZeroBlocks";

type Exports = Readonly<Record<Name, (...values: number[]) => number>>;

/** The number of elements in a part, which fits into the cache. A part has at least one row of blocks. */
const PART = 1 << 14;
/** The number of elements in a window. Longer rows of blocks are left to the plain loops. */
const WIDEST = 1 << 16;
const BUCKETS = 1 << 16;
const TALLEST = 4;
/** The number of parts in progress for each thread, and the maximum number for all threads together. */
const PARTS_PER_THREAD = 2;
const MOST_PARTS = 16;

interface Windows {
  readonly scores: StagingWindow<Float32Array>;
  readonly mask: StagingWindow<Uint8Array>;
}

interface Stage {
  readonly module: KernelModule;
  readonly run: Exports;
  readonly divide: Divide;
  readonly values: StagingWindow<Float32Array>;
  readonly factors: StagingWindow<Float32Array>;
  /** The windows for each part in progress. */
  readonly windows: readonly [Windows, ...Windows[]];
  readonly histogram: number;
  /** Returns a view of the histogram that is valid even if the memory has grown. */
  readonly histogramView: () => Int32Array;
}

function createStage(module: KernelModule): Stage {
  const { memory, scheduler } = module;
  const region = memory.allocate(BUCKETS);
  let view = memory.int32(region);
  const { threads } = scheduler;
  const parts = threads === 1 ? 1 : Math.min(MOST_PARTS, PARTS_PER_THREAD * threads);
  const windows = (): Windows => ({
    scores: floatWindow(memory, WIDEST),
    mask: byteWindow(memory, WIDEST),
  });
  return {
    module,
    run: module.exports as unknown as Exports,
    divide: createDivide(),
    values: floatWindow(memory, WIDEST),
    factors: floatWindow(memory, WIDEST),
    windows: [windows(), ...Array.from({ length: parts - 1 }, windows)],
    histogram: region.byteOffset,
    histogramView: () => {
      if (view.length === 0) view = memory.int32(region);
      return view;
    },
  };
}

function rowsAtATime(elements: number): number {
  return Math.max(1, Math.floor(PART / elements));
}

/**
 * Returns the address of part `index` of an array. The part is first copied into the window, unless the array is in the
 * module's memory.
 */
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

type OnPart<T> = (part: T, windows: Windows, index: number) => void;

interface PartWork<T> {
  readonly before?: OnPart<T>;
  /** Calls a function of the module. In a group, the call may be deferred until just before `after`. */
  readonly run: OnPart<T>;
  readonly after?: OnPart<T>;
}

/** Runs the work on every part. Parts run in batches, one part per window, or one at a time if `oneByOne` is true. */
function forEachPart<T>(
  { module, windows }: Stage,
  parts: readonly T[],
  { before, run, after }: PartWork<T>,
  oneByOne = false,
): void {
  const together = oneByOne ? 1 : windows.length;
  const each = (from: number, body: OnPart<T> | undefined): void => {
    if (body === undefined) return;
    for (let i = from; i < Math.min(parts.length, from + together); i++)
      body(parts[i], windows[i - from], i);
  };
  for (let from = 0; from < parts.length; from += together) {
    each(from, before);
    module.scheduler.independently(() => each(from, run));
    each(from, after);
  }
}

function scoring(stage: Stage, plain: PruningKernels): Pick<PruningKernels, "updateScoresInto"> {
  const { module, divide } = stage;
  const { blockMagnitudes, blockProducts } = module.scheduler.functions;
  return {
    updateScoresInto(values, factors, height, columns, divisor, momentum, scores) {
      if (height > TALLEST || (height > 1 && height * columns > WIDEST)) {
        plain.updateScoresInto(values, factors, height, columns, divisor, momentum, scores);
        return;
      }
      // A row of blocks is not divided. Blocks of height 1 are single elements, whose rows may be divided anywhere.
      const row = height === 1 ? PART : columns;
      const rows = height === 1 ? 1 : rowsAtATime(height * columns);
      const size = rows * row * height;
      const staged = [values, factors].some((array) => array !== null && !module.holds(array));
      const work: PartWork<Float32Array> = {
        before: (part, { scores }) => {
          if (momentum !== 0) scores.copyIn(part);
        },
        run: (part, { scores }, i) => {
          const from = addressOfPart(stage, stage.values, values, i, size);
          const by = factors && addressOfPart(stage, stage.factors, factors, i, size);
          const width = height === 1 ? part.length : columns;
          const update = factors === null ? blockMagnitudes : blockProducts;
          const count = part.length / width;
          update(from, by ?? from, count, height, width, divisor, momentum, scores.address);
        },
        after: (part, { scores }) => scores.copyOut(part),
      };
      // If values or factors are copied, parts run one at a time, because values and factors have only one window each.
      forEachPart(stage, divide(scores, rows * row), work, staged);
    },
  };
}

function selection(stage: Stage) {
  const { run, divide, histogram: address } = stage;
  const [{ scores: window }] = stage.windows;
  let collecting: Uint32Array | null = null;
  /** Moves the counts in the module's histogram to the caller's. */
  const flush = (): void => {
    const counted = stage.histogramView();
    if (collecting) for (let i = 0; i < BUCKETS; i++) collecting[i] += counted[i];
    counted.fill(0);
  };
  /** Counts all scores in the module's histogram. Taking a chunk may count others, so counts move before that. */
  const collect = (
    chunks: Iterable<Float32Array>,
    histogram: Uint32Array,
    count: (length: number) => void,
  ): void => {
    const outer = collecting;
    flush();
    collecting = histogram;
    try {
      for (const chunk of chunks)
        for (const part of divide(chunk, PART)) {
          window.copyIn(part);
          count(part.length);
        }
      flush();
    } finally {
      collecting = outer;
    }
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
  } satisfies Partial<PruningKernels>;
}

function masking(stage: Stage, plain: PruningKernels) {
  const { module, divide, run } = stage;
  const { writeMask, applyMask } = module.scheduler.functions;
  return {
    writeMaskInto(scores, threshold, inclusive, height, columns, mask) {
      if (height * columns > WIDEST) {
        plain.writeMaskInto(scores, threshold, inclusive, height, columns, mask);
        return;
      }
      const rows = rowsAtATime(height * columns);
      const maskParts = divide(mask, rows * height * columns);
      const flag = inclusive ? 1 : 0;
      forEachPart(stage, divide(scores, rows * columns), {
        before: (part, windows) => windows.scores.copyIn(part),
        run: (part, windows) => {
          const count = part.length / columns;
          const [from, to] = [windows.scores.address, windows.mask.address];
          writeMask(from, threshold, flag, count, height, columns, to);
        },
        after: (_, windows, i) => windows.mask.copyOut(maskParts[i]),
      });
    },
    applyMaskInto(mask, height, columns, values) {
      // Copying values from other memory would cost more than the loop itself.
      if (!module.holds(values) || (height > 1 && height * columns > WIDEST)) {
        plain.applyMaskInto(mask, height, columns, values);
        return;
      }
      const length = height === 1 ? PART : rowsAtATime(height * columns) * height * columns;
      forEachPart(stage, divide(mask, length), {
        before: (part, windows) => windows.mask.copyIn(part),
        run: (part, windows, i) => {
          const width = height === 1 ? part.length : columns;
          const at = values.byteOffset + i * length * 4;
          applyMask(windows.mask.address, part.length / (height * width), height, width, at);
        },
      });
    },
    countZeroBlocks(values, height, columns, anySign) {
      if (!module.holds(values)) return countZeroBlocks(values, height, columns, anySign);
      const rows = values.length / (height * columns);
      return run.countZeroBlocks(values.byteOffset, rows, height, columns, anySign ? 1 : 0);
    },
  } satisfies Partial<PruningKernels>;
}

/** The loop of the kernel for values that are not in its memory, to which copying would cost more. */
function countZeroBlocks(
  values: Float32Array,
  height: number,
  columns: number,
  anySign: boolean,
): number {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const shift = anySign ? 1 : 0;
  let zeros = 0;
  for (let start = 0; start < bits.length; start += height * columns)
    for (let column = start; column < start + columns; column++) {
      let any = 0;
      for (let row = 0; row < height; row++) any |= bits[column + row * columns];
      zeros += Number(any << shift === 0);
    }
  return zeros;
}

const stages = new WeakMap<KernelModule, Stage>();

/**
 * Creates the loops of pruning for a backend. The `plain` loops serve scalar backends, and cases that the WASM loops do
 * not support or in which copying costs more. All working space is allocated here, once for a backend, so that pruning
 * does not grow the memory.
 */
export function wasmPruningKernels(backend: Backend, plain: PruningKernels): PruningKernels {
  const module = moduleOf(backend);
  if (module === undefined) return plain;
  const stage = stages.get(module) ?? createStage(module);
  stages.set(module, stage);
  return Object.freeze({ ...scoring(stage, plain), ...selection(stage), ...masking(stage, plain) });
}
