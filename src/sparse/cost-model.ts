/** Measures the costs of executing linear layers, and predicts the cheapest execution from them. */
import { checkInteger, checkKind, checkNumber, checkObject } from "../core/checks.ts";
import type { Backend } from "../kernels/backend.ts";
import { BLOCK_HEIGHTS, type BlockHeight, tokensTogether } from "../kernels/block-sparse.ts";
import { checkBackend } from "../kernels/check.ts";
import type { KernelVariant } from "../kernels/table.ts";
import { createIntegerTensor, createTensor, type Tensor } from "../tensor/tensor.ts";
import {
  type Execution,
  executionsOf,
  type FloatExecution,
  type Int8Execution,
  type LinearFacts,
  prepareProduct,
} from "./execution.ts";
import { typicalInt8Costs } from "./int8-costs.ts";

/** The costs of products with blocks of one height, in nanoseconds per token. */
interface BlockCost {
  /** The cost of each kept block. */
  readonly block: number;
  /** The cost of each output and of each input, at any density. */
  readonly edge: number;
}

/** Costs in nanoseconds, as plain data that can be stored or written by hand. */
export interface CostModel {
  readonly variant: KernelVariant;
  /**
   * The number of tokens in the measured batch. The cost of another batch is assumed to be proportional to its number
   * of tokens, rounded up to whole tiles. This is inexact below about a hundred tokens, because a dense product also
   * has to pack the weight.
   */
  readonly tokens: number;
  /** The cost of each multiplication in a dense product. */
  readonly dense: number;
  readonly blocks: Readonly<Record<BlockHeight, BlockCost>>;
  /** The cost of each element that is gathered, scattered or set to zero. */
  readonly move: number;
}

/**
 * Another execution is preferred to the dense one only if its cost is below this share of the dense cost, because
 * predictions are inexact.
 */
const MARGIN = 0.9;

/** Predicts how many nanoseconds a layer takes for a batch with this number of tokens. */
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
    case "int8": {
      const { multiplication, edge } = typicalInt8Costs(costs.variant);
      const products = int8Products(facts, execution.block);
      return tokens * (products * multiplication + (outputs + inputs) * edge);
    }
    default:
      return execution satisfies never;
  }
}

/** Estimates the number of multiplications for a token if a weight is stored in eight bits. */
function int8Products(
  { outputs, inputs, blocks }: LinearFacts,
  block: Int8Execution["block"],
): number {
  if (block === null) return outputs * inputs;
  const [height, width] = block;
  const known = BLOCK_HEIGHTS.find((some) => some === height && width === 1);
  return (known === undefined ? blocks.get(1) : (blocks.get(known) ?? 0) * known) ?? 0;
}

/** Returns the number of tokens that are computed for a batch, including those that fill up its last tile. */
function computedTokens(
  { variant, tokens: measured }: CostModel,
  height: BlockHeight,
  tokens: number,
): number {
  if (variant === "scalar" || tokens === measured) return tokens;
  const together = tokensTogether(variant, height);
  return Math.ceil(tokens / together) * together;
}

/** The largest number of tokens for which costs are measured. */
export const MOST_TOKENS: number = 2 ** 16;

/** Checks a cost model. @throws TypeError or RangeError if it is invalid or was measured with another kernel variant */
export function checkCosts({ kernels }: Backend, costs: CostModel): void {
  const isObject = (value: unknown): boolean => typeof value === "object" && value !== null;
  checkKind(isObject(costs), "costs", "a cost model", costs);
  checkObject("costs", costs);
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

/** Returns the execution with floats of the lowest predicted cost: dense, unless another is clearly faster. */
export function chooseExecution(
  costs: CostModel,
  facts: LinearFacts,
  tokens: number,
): FloatExecution {
  const [dense, ...others] = executionsOf(facts);
  const costOf = (execution: FloatExecution): number =>
    predictCost(costs, facts, execution, tokens);
  let best = dense;
  let least = MARGIN * costOf(best);
  for (const execution of others) {
    const cost = costOf(execution);
    if (!(cost < least)) continue;
    best = execution;
    least = cost;
  }
  return best;
}

/** The number of outputs, and of inputs, of the layer that is timed. */
const SIDE = 512;
/** The shares of kept blocks at which the layer is timed. */
const DENSITIES = [0.1, 0.4] as const;
/** Milliseconds of warm-up, during which the engine optimises the code. */
const WARM_UP = 15;
/** Milliseconds of timing, after the warm-up. */
const TIMED = 12;
/** The most runs in the warm-up, and in the timing: a clock may be coarse or stand still. */
const MOST_RUNS = 500;

type Hold = (tensor: Tensor) => Tensor;

/** Runs `body`, and frees the tensors that it passes to `hold`. */
function withTensors<T>(body: (hold: Hold) => T): T {
  const held: Tensor[] = [];
  try {
    return body((tensor) => {
      held.push(tensor);
      return tensor;
    });
  } finally {
    for (const tensor of held) tensor.free();
  }
}

/** Measures the nanoseconds of a call: the minimum of several means, because other programs can only add time. */
function nanosecondsOf(run: () => void): number {
  const until = performance.now() + WARM_UP;
  for (let runs = 0; runs < MOST_RUNS && performance.now() < until; runs++) run();
  let least = Infinity;
  let left = MOST_RUNS;
  const end = performance.now() + TIMED;
  do {
    const began = performance.now();
    let runs = 0;
    do {
      run();
      runs++;
      left--;
    } while (left > 0 && performance.now() - began < TIMED / 6);
    least = Math.min(least, (performance.now() - began) / runs);
  } while (left > 0 && performance.now() < end);
  return 1e6 * Math.max(0, least);
}

/** Creates a weight with evenly distributed kept blocks; `density` is their approximate share. */
function sampleWeight(height: number, density: number): Float32Array {
  const weight = new Float32Array(SIDE * SIDE);
  for (let i = 0; i < weight.length; i++) {
    const blockRow = Math.floor(i / SIDE / height);
    // The fractions of multiples of the golden ratio are evenly distributed.
    const place = ((i % SIDE) + 1) * 0.6180339887 + blockRow * 0.3819660113;
    if (place - Math.floor(place) < density) weight[i] = 1 + (i % 7) / 8;
  }
  return weight;
}

/**
 * Measures the costs on a backend. This takes half a second to a second, and results vary slightly.
 *
 * @param tokens - the usual number of tokens in a batch
 *
 * @example
 * ```ts
 * import { createBackend } from "espalier/nn";
 * import { measureCosts } from "espalier/sparse";
 *
 * const costs = measureCosts(createBackend({ variant: "scalar" }), 1);
 * console.assert(costs.dense > 0 && costs.blocks[4].block >= 0);
 * ```
 */
export function measureCosts(backend: Backend, tokens: number = 128): CostModel {
  checkBackend(backend);
  checkInteger("tokens", tokens, 1, MOST_TOKENS);
  return withTensors((hold) => measureWith(backend, tokens, hold));
}

function measureWith(backend: Backend, tokens: number, hold: Hold): CostModel {
  const { kernels } = backend;
  const shape = [SIDE, SIDE] as const;
  const x = hold(createTensor(backend, [tokens, SIDE]));
  const y = hold(createTensor(backend, [tokens, SIDE]));
  const bias = hold(createTensor(backend, [SIDE]));
  const weight = hold(createTensor(backend, shape));
  x.data.fill(0.5);
  weight.data.fill(0.25);
  const dense = nanosecondsOf(() => {
    const [m, n, k] = [tokens, SIDE, SIDE];
    kernels.gemm("nt", m, n, k, x.data, 0, k, weight.data, 0, k, y.data, 0, n, false);
    kernels.addBias(y.data, bias.data, tokens, SIDE);
  });
  const blockCost = (height: BlockHeight): BlockCost => {
    const [few, many] = DENSITIES.map((density) => {
      const sample = sampleWeight(height, density);
      const prepared = prepareProduct(backend, sample, shape, { kind: "blocks", height });
      const time = nanosecondsOf(() => prepared.product(x, bias, y, tokens)) / tokens;
      prepared.release();
      let kept = 0;
      for (const value of sample) if (value !== 0) kept++;
      return { time, blocks: kept / height };
    });
    const block = Math.max(0, (many.time - few.time) / (many.blocks - few.blocks));
    return { block, edge: Math.max(0, (few.time - block * few.blocks) / (2 * SIDE)) };
  };
  const blocks = Object.fromEntries(BLOCK_HEIGHTS.map((height) => [height, blockCost(height)]));
  const move = movingCost(backend, hold, x, y, tokens);
  return {
    variant: kernels.variant,
    tokens,
    dense: dense / tokens / SIDE / SIDE,
    blocks: blocks as Record<BlockHeight, BlockCost>,
    move,
  };
}

/** Measures the nanoseconds for each moved element, without a product, which would take much longer. */
function movingCost(backend: Backend, hold: Hold, x: Tensor, y: Tensor, tokens: number): number {
  const { kernels } = backend;
  const half = SIDE / 2;
  const even = Int32Array.from({ length: half }, (_, i) => 2 * i);
  const numbers = hold(createIntegerTensor(backend, [half], even));
  const part = hold(createTensor(backend, [tokens, half]));
  const time = nanosecondsOf(() => {
    kernels.gatherColumns(x.data, numbers.integers, part.data, tokens, SIDE);
    kernels.fill(y.data, 0);
    kernels.scatterColumns(part.data, numbers.integers, y.data, tokens, SIDE);
  });
  return time / tokens / (half + SIDE + half);
}

/** Returns a function that returns the cost model. Without a given one, its first call measures it. */
export function costsWhenNeeded(
  backend: Backend,
  tokens: number,
  given: CostModel | undefined,
): () => CostModel {
  let known = given;
  return () => {
    known ??= measureCosts(backend, tokens);
    return known;
  };
}
