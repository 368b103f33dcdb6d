/** What each way to compute a linear layer costs on this machine: measured once, then plain data. */
import { checkInteger, checkKind, checkNumber } from "../core/checks.ts";
import type { Backend } from "../kernels/backend.ts";
import { BLOCK_HEIGHTS, type BlockHeight, tokensTogether } from "../kernels/block-sparse.ts";
import type { KernelVariant } from "../kernels/table.ts";
import { createIntegerTensor, createTensor, type Tensor } from "../tensor/tensor.ts";
import { type Execution, executionsOf, type LinearFacts, prepareProduct } from "./execution.ts";

/** Cost of products with blocks of one height, in nanoseconds for each token. */
export interface BlockCost {
  /** For each kept block. */
  readonly block: number;
  /** For each output and for each input, whatever is kept: turning tokens around, sums, bias. */
  readonly edge: number;
}

/** Costs in nanoseconds: plain data, to be printed, kept, or written by hand. */
export interface CostModel {
  readonly variant: KernelVariant;
  /**
   * Tokens of a batch that it was measured at. Costs are taken to be in proportion for others, whole tiles counted:
   * roughly so from a hundred tokens on, since a dense product packs its weight whatever the tokens.
   */
  readonly tokens: number;
  /** Of a dense product, for each multiplication. */
  readonly dense: number;
  readonly blocks: Readonly<Record<BlockHeight, BlockCost>>;
  /** Of taking an element out of a matrix, putting it back, or setting it to zero before. */
  readonly move: number;
}

/** By how much a way has to be faster than dense to be taken: the model is not exact. */
const MARGIN = 0.9;

/**
 * The nanoseconds that a layer takes for `tokens` tokens.
 *
 * @example
 * ```ts
 * import { type CostModel, linearFacts, predictCost } from "espalier/sparse";
 *
 * const cost = { block: 0.2, edge: 0.5 };
 * const blocks = { 1: cost, 2: cost, 4: cost, 8: cost, 16: cost };
 * const costs: CostModel = { variant: "simd", tokens: 64, dense: 0.03, blocks, move: 1 };
 * const facts = linearFacts(new Float32Array(64), [8, 8]);
 * console.assert(predictCost(costs, facts, { kind: "dense" }, 10) === 10 * 64 * 0.03);
 * // Whole tiles of eight tokens.
 * console.assert(predictCost(costs, facts, { kind: "blocks", height: 4 }, 10) === 16 * 16 * 0.5);
 * ```
 */
export function predictCost(
  costs: CostModel,
  facts: LinearFacts,
  execution: Execution,
  tokens: number,
): number {
  const { outputs, inputs, rows, columns } = facts;
  switch (execution.kind) {
    case "dense":
      return tokens * outputs * inputs * costs.dense;
    case "blocks": {
      const { height } = execution;
      const { block, edge } = costs.blocks[height];
      const kept = facts.blocks.get(height) ?? Infinity;
      return computedTokens(costs, height, tokens) * (edge * (outputs + inputs) + block * kept);
    }
    case "compacted": {
      const moved = (columns < inputs ? columns : 0) + (rows < outputs ? rows + outputs : 0);
      return tokens * (rows * columns * costs.dense + moved * costs.move);
    }
    default:
      return execution satisfies never;
  }
}

/** Tokens that a product by blocks takes the time of: tiles are computed whole, a token alone as long as one. */
function computedTokens(
  { variant, tokens: measured }: CostModel,
  height: BlockHeight,
  tokens: number,
): number {
  if (variant === "scalar" || tokens === measured) return tokens;
  const together = tokensTogether(variant, height);
  return Math.ceil(tokens / together) * together;
}

/**
 * Refuses costs of other kernels than a backend's, and what is no cost.
 *
 * @throws TypeError or RangeError
 */
export function checkCosts({ kernels }: Backend, costs: CostModel): void {
  const isObject = (value: unknown): boolean => typeof value === "object" && value !== null;
  checkKind(isObject(costs), "costs", "a cost model", costs);
  const { variant, tokens, dense, move, blocks } = costs;
  if (variant !== kernels.variant)
    throw new RangeError(`costs: expected those of ${kernels.variant} kernels, got ${variant}`);
  checkInteger("costs.tokens", tokens, 1);
  checkNumber("costs.dense", dense, 0);
  checkNumber("costs.move", move, 0);
  checkKind(isObject(blocks), "costs.blocks", "costs for each height", blocks);
  for (const height of BLOCK_HEIGHTS) {
    const name = `costs.blocks[${height}]`;
    checkKind(isObject(blocks[height]), name, "costs", blocks[height]);
    for (const part of ["block", "edge"] as const)
      checkNumber(`${name}.${part}`, blocks[height][part], 0);
  }
}

/**
 * The way that the model takes for the fastest: another than dense only where it is clearly so.
 *
 * @example
 * ```ts
 * import { chooseExecution, type CostModel, formatExecution, linearFacts } from "espalier/sparse";
 *
 * const cost = (height: number) => ({ block: 0.05 * height, edge: 0.1 });
 * const blocks = { 1: cost(1), 2: cost(2), 4: cost(4), 8: cost(8), 16: cost(16) };
 * const costs: CostModel = { variant: "simd", tokens: 64, dense: 0.03, blocks, move: 1 };
 * const dense = linearFacts(new Float32Array(256).fill(1), [16, 16]);
 * console.assert(formatExecution(chooseExecution(costs, dense, 64)) === "dense");
 * ```
 */
export function chooseExecution(costs: CostModel, facts: LinearFacts, tokens: number): Execution {
  const [dense, ...others] = executionsOf(facts);
  const costOf = (execution: Execution): number => predictCost(costs, facts, execution, tokens);
  let best: Execution = dense ?? { kind: "dense" };
  let least = MARGIN * costOf(best);
  for (const execution of others) {
    const cost = costOf(execution);
    if (!(cost < least)) continue;
    best = execution;
    least = cost;
  }
  return best;
}

/** The layer that is timed, and densities at which blocks are. */
const SIDE = 512;
const DENSITIES = [0.1, 0.4] as const;
/** Milliseconds that a product is run before it is timed, so that the engine has optimised it, and while it is. */
const WARM_UP = 15;
const TIMED = 12;

/** Nanoseconds of a call: the least of several means, since others only ever add to it. */
function nanosecondsOf(run: () => void): number {
  const until = performance.now() + WARM_UP;
  while (performance.now() < until) run();
  let least = Infinity;
  const end = performance.now() + TIMED;
  while (performance.now() < end) {
    const began = performance.now();
    let runs = 0;
    for (; runs === 0 || performance.now() - began < TIMED / 6; runs++) run();
    least = Math.min(least, (performance.now() - began) / runs);
  }
  return 1e6 * least;
}

/** Weights of which about a share of the blocks is kept, evenly. */
function sampleWeight(height: number, density: number): Float32Array {
  const weight = new Float32Array(SIDE * SIDE);
  for (let i = 0; i < weight.length; i++) {
    const blockRow = Math.floor(i / SIDE / height);
    // Multiples of the golden ratio are spread evenly, and no two block rows are alike.
    const place = ((i % SIDE) + 1) * 0.6180339887 + blockRow * 0.3819660113;
    if (place - Math.floor(place) < density) weight[i] = 1 + (i % 7) / 8;
  }
  return weight;
}

/**
 * Measures the costs on a backend, in half a second to a second. They differ a little from one time to another.
 *
 * @param tokens tokens of the batches to come. Default 128
 *
 * @example
 * ```ts
 * import { createBackend } from "espalier/nn";
 * import { measureCosts } from "espalier/sparse";
 *
 * const costs = measureCosts(createBackend({ variant: "scalar" }), 1);
 * console.assert(costs.dense > 0 && costs.blocks[4].block > 0);
 * ```
 */
export function measureCosts(backend: Backend, tokens: number = 128): CostModel {
  const { kernels } = backend;
  const shape = [SIDE, SIDE] as const;
  const x = createTensor(backend, [tokens, SIDE]);
  const y = createTensor(backend, [tokens, SIDE]);
  const bias = createTensor(backend, [SIDE]);
  const weight = createTensor(backend, shape);
  x.data.fill(0.5);
  weight.data.fill(0.25);
  const dense = nanosecondsOf(() => {
    const [m, n, k] = [tokens, SIDE, SIDE];
    kernels.gemm("nt", m, n, k, x.data, 0, k, weight.data, 0, k, y.data, 0, n, false);
    kernels.addBias(y.data, bias.data, tokens, SIDE);
  });
  const blockCost = (height: BlockHeight): BlockCost => {
    const points = DENSITIES.map((density) => {
      const sample = sampleWeight(height, density);
      const prepared = prepareProduct(backend, sample, shape, { kind: "blocks", height });
      const time = nanosecondsOf(() => prepared.product(x, bias, y, tokens)) / tokens;
      prepared.release();
      let kept = 0;
      for (const value of sample) if (value !== 0) kept++;
      return { time, blocks: kept / height };
    });
    const [few, many] = points;
    if (few === undefined || many === undefined) throw new Error("expected two densities");
    const block = Math.max(0, (many.time - few.time) / (many.blocks - few.blocks));
    return { block, edge: Math.max(0, (few.time - block * few.blocks) / (2 * SIDE)) };
  };
  const blocks = Object.fromEntries(BLOCK_HEIGHTS.map((height) => [height, blockCost(height)]));
  const move = movingCost(backend, x, y, tokens);
  for (const tensor of [x, y, bias, weight]) tensor.release();
  return {
    ...{ variant: kernels.variant, tokens, dense: dense / tokens / SIDE / SIDE },
    blocks: blocks as Record<BlockHeight, BlockCost>,
    move,
  };
}

/**
 * Nanoseconds of an element that is taken out of a row, or put back, or set to zero before: measured alone, since next
 * to a product it is lost in what that varies by.
 */
function movingCost(backend: Backend, x: Tensor, y: Tensor, tokens: number): number {
  const { kernels } = backend;
  const half = SIDE / 2;
  const even = Int32Array.from({ length: half }, (_, i) => 2 * i);
  const numbers = createIntegerTensor(backend, [half], even);
  const part = createTensor(backend, [tokens, half]);
  const time = nanosecondsOf(() => {
    kernels.gatherColumns(x.data, numbers.integers, part.data, tokens, SIDE);
    kernels.fill(y.data, 0);
    kernels.scatterColumns(part.data, numbers.integers, y.data, tokens, SIDE);
  });
  for (const tensor of [numbers, part]) tensor.release();
  return time / tokens / (half + SIDE + half);
}
