/** Products of quads of activations and 8-bit weights, added to sums of 32 bits. */
import { BLOCK_OUTPUTS } from "../block-sparse.ts";
import {
  type FunctionBuilder,
  type FunctionReference,
  i16x8,
  i32,
  i32x4,
  type Local,
  type ModuleBuilder,
  type V128,
  v128,
  type WasmVariant,
} from "./emitter.ts";
import { nextFour, startSums, tileTokens, type WriteRest, writeSums } from "./int8-outputs.ts";

/** The size of a quad of weights in bytes: 8-bit weights, or 16-bit weights if the variant has no relaxed SIMD. */
export function quadBytes(variant: WasmVariant): number {
  return variant === "simd" ? 8 : 4;
}

/** Quads of activations, one in each lane, in the form that {@link addDots} expects. */
export interface Quads {
  /** Bytes; without relaxed SIMD inputs 0 and 2 of each quad, as 16-bit integers. */
  readonly first: Local<"v128">;
  /** Inputs 1 and 3 of each quad, as 16-bit integers. */
  readonly second: Local<"v128"> | null;
}

/** Prepares a vector of quads of bytes. */
export function quadsOf(f: FunctionBuilder, bytes: V128): Quads {
  if (f.variant !== "simd") return { first: f.let(bytes), second: null };
  const all = f.let(bytes);
  return {
    first: f.let(v128.and(all, f.constantI32x4(0x00ff_00ff))),
    second: f.let(i16x8.shrU(all, 8)),
  };
}

/**
 * Adds the products of quads with weights to a sum. `load` loads the weights, 0 or `distance` bytes after those of the
 * first inputs.
 */
export function addDots(
  f: FunctionBuilder,
  terms: readonly (readonly [sum: Local<"v128">, quads: Quads])[],
  load: (offset: number) => V128,
  distance: number,
): void {
  const weights = f.let(load(0));
  for (const [sum, { first, second }] of terms) {
    if (second === null) f.set(sum, i32x4.relaxedDotI8x16I7x16Add(weights, first, sum));
    else f.set(sum, i32x4.add(sum, i32x4.dotI16x8S(first, weights)));
  }
  if (f.variant !== "simd") return;
  const others = f.let(load(distance));
  for (const [sum, { second }] of terms)
    if (second !== null) f.set(sum, i32x4.add(sum, i32x4.dotI16x8S(second, others)));
}

/** The bytes between the weights of a quad's first inputs and those of its other inputs, for four outputs. */
export const FOUR_DISTANCE: number = 4 * BLOCK_OUTPUTS;

const PARAMETERS = {
  /** The quads [quad][token], and how many there are. */
  quads: "i32",
  count: "i32",
  /** The weights [four outputs][quad]. */
  values: "i32",
  // The pointers of OutputPointers.
  negatedSums: "i32",
  weightScales: "i32",
  bias: "i32",
  biasStep: "i32",
  y: "i32",
  /** The number of outputs that are left, and the number at which to stop. */
  left: "i32",
  rest: "i32",
} as const;

type MultiplyFours = FunctionReference<typeof PARAMETERS>;

/** Adds a function that multiplies the quads of a tile of `tokens` tokens by the weights of some outputs. */
export function addMultiplyFours(
  module: ModuleBuilder,
  tokens: number,
  writeRest: WriteRest,
): MultiplyFours {
  return module.internal(PARAMETERS, (f, p) => {
    const sums = Array.from({ length: BLOCK_OUTPUTS }, () => f.locals("v128", tokens / 4));
    const tile = tileTokens(f, tokens);
    const [x, end] = f.locals("i32", 2);
    const { values } = p;
    const bytes = f.let(i32.mul(p.count, 4 * tokens));
    f.while(i32.gtS(p.left, p.rest), () => {
      startSums(f, sums, tile, p.negatedSums);
      f.set(x, p.quads);
      f.set(end, i32.add(x, bytes));
      f.while(i32.ltU(x, end), () => {
        multiplyQuad(f, sums, (v) => v128.load(x, 16 * v), values);
        f.increment(x, 4 * tokens);
        f.increment(values, BLOCK_OUTPUTS * quadBytes(f.variant));
      });
      writeSums(f, sums, tile, p, p.left, writeRest);
      nextFour(f, p, p.left);
    });
  });
}

/** Adds the products of one quad of all tokens and the weights of four outputs at `values`. */
export function multiplyQuad(
  f: FunctionBuilder,
  sums: readonly (readonly Local<"v128">[])[],
  vector: (index: number) => V128,
  values: Local<"i32">,
): void {
  const quads = sums[0].map((_, v) => quadsOf(f, vector(v)));
  for (const [o, ofOutput] of sums.entries()) {
    const terms = ofOutput.map((sum, v) => [sum, quads[v]] as const);
    addDots(f, terms, (offset) => v128.load32Splat(values, 4 * o + offset), FOUR_DISTANCE);
  }
}
